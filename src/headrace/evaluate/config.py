"""What is measured after training."""

from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from headrace.config import Config
from headrace.evaluate.prompt_config import PromptConfig


class BitsPerByteConfig(Config):
    """Loss on all held-out documents. Nothing to set yet."""


class SamplesConfig(Config):
    """Continuations to look at; they prove nothing and tell much."""

    prompts: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("The", "春")
    """Beginnings to continue."""
    max_tokens: PositiveInt = 80
    """Longest continuation, in tokens."""
    temperature: NonNegativeFloat = 0.8
    """As in `headrace generate`."""


class EvaluateConfig(Config):
    """Which evaluations run; written as a list of names, `[bits_per_byte, {samples: {prompts: [...]}}]`."""

    bits_per_byte: BitsPerByteConfig | None = None
    """Loss on all held-out documents."""
    samples: SamplesConfig | None = None
    """Continuations of given prompts."""
    prompt: PromptConfig | None = None
    """Classification of `examples` by a model that was never trained for it, through a template."""

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, given: Any) -> Any:
        if not isinstance(given, list | tuple):
            return given
        settings: dict[str, Any] = {}
        for entry in given:
            if not isinstance(entry, str | dict):
                raise ValueError(f"got {entry!r} in the list, wanted a name or a name with settings")
            settings |= {entry: {}} if isinstance(entry, str) else entry
        return settings
