"""The one way a setting is written: a frozen, self-checking, self-describing record.

Every stage declares its settings as a `Config`; `headrace.recipe` composes them into the schema a user writes.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Config(BaseModel):
    """A frozen record that refuses unknown keys and checks itself when it is made."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    def as_json(self) -> dict[str, Any]:
        """This config as plain JSON values, defaults included: the form that addresses are hashed from."""
        return self.model_dump(mode="json")


class Alternatives(Config):
    """A record of which some parts stand for others: those that are not there are not written either."""

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_there(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if value is not None}
