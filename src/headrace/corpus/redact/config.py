"""What a user writes to have personal data taken out of texts."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from headrace.config import Config

Kind = Literal[
    "private_key",
    "url_password",
    "email",
    "api_key",
    "secret",
    "iban",
    "cn_id",
    "uscc",
    "bank_card",
    "ssn",
    "ip",
    "mac",
    "phone",
    "passport",
    "plate",
    "messenger",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Every kind, in order of priority: where two finds overlap, the one whose kind stands first is redacted."""


class RedactConfig(Config):
    """Which kinds of personal data are replaced, and with what."""

    kinds: Annotated[tuple[Kind, ...], Field(strict=False, min_length=1)] = KINDS
    """email; phone; ip (v4, v6); mac; cn_id (Chinese identity card); ssn (US); passport; plate (Chinese); bank_card;
    iban; uscc (Chinese company code); api_key (AWS, GitHub, Slack ... and JWT); private_key (PEM); secret (labelled
    password or token); url_password; messenger (labelled QQ or WeChat)."""

    placeholder: str = Field(default="<{KIND}>", pattern=r"^[^\n]*$")
    """What stands in the value's place. `{KIND}` and `{kind}` are the kind in capitals and small letters, `{pseudonym}`
    eight hexadecimal digits that are the same for the same value."""

    seed: int | None = None
    """Seed of the pseudonyms: whoever knows it can test guesses, so it is as secret as the values. Required with
    `{pseudonym}`, without effect otherwise."""

    private_addresses: bool = False
    """Whether IP addresses count that the public internet does not route (10.0.0.1, 127.0.0.1 ...)."""

    @model_validator(mode="after")
    def _has_seed_for_pseudonyms(self) -> "RedactConfig":
        if "{pseudonym}" in self.placeholder and self.seed is None:
            raise ValueError("placeholder has {pseudonym}, so seed must be given: write `seed: 1`, any number you keep")
        if "{pseudonym}" not in self.placeholder and self.seed is not None:
            raise ValueError("seed has no effect without {pseudonym} in placeholder; leave one out or add the other")
        return self
