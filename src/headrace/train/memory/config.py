"""How much memory a stage may take (needs no torch)."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from headrace.config import Config

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGT", start=1)}


def parse_size(given: Any) -> Any:
    """Bytes of a size such as `4GB`, `500 MB` or `2GiB`; numbers are left alone."""
    if not isinstance(given, str):
        return given
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?|)B?\s*", given)
    if found is None:
        raise ValueError(f'"{given}" is no size: write a number and a unit, such as 4GB, 500MB or 2GiB')
    return int(float(found[1]) * UNITS[found[2]])


Size = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=int | str), Field(gt=0)]
"""Bytes."""


class MemoryConfig(Config):
    """How much memory training may take. What has to be done for that changes nothing that is learnt, but for rounding
    where micro-batches become smaller."""

    limit: Size | None = None
    """All processes of a run together, such as `4GB`. None: what the machine has free."""
    page: Literal["auto", "nothing", "state", "all"] = "auto"
    """What lies in a file and is read where it is used: what the optimiser remembers (`state`), or the weights of
    blocks as well (`all`), which needs `updates: by_block`. `auto`: as little as fits."""


def as_memory(given: Any) -> Any:
    """A limit alone in the form that says what it is."""
    return {"limit": given} if isinstance(given, str | int) else given


AnyMemoryConfig = Annotated[MemoryConfig, BeforeValidator(as_memory, json_schema_input_type=MemoryConfig | int | str)]
"""A limit alone may be written without its name."""
