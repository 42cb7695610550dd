"""Kinds of settings that several configs of this floor have."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field


def parse_share(value: object) -> object:
    """A share written as "2%" becomes 0.02; everything else is left for the type check."""
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value)):
        return round(float(match[1]) / 100, 12)  # "7%" is 0.07, not 0.07000000000000001
    return value


def as_list(value: object) -> object:
    """One string stands for a list of one."""
    return (value,) if isinstance(value, str) else value


Share = Annotated[float, BeforeValidator(parse_share, json_schema_input_type=float | str)]

Paths = Annotated[
    tuple[str, ...],
    BeforeValidator(as_list, json_schema_input_type=str | tuple[str, ...]),
    Field(strict=False, min_length=1),
]
"""Files, folders or globs (`**` included), relative to the recipe's folder."""
