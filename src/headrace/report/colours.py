"""Colours of names: what is called the same looks the same in every chart of a page."""

from collections.abc import Mapping, Sequence
from typing import Any

PALETTE = ("#4a8fd8", "#e39a3b", "#3fae8c", "#b07cc6", "#d9647a", "#5fb0c4", "#c2a83e", "#a5785a", "#7f8fd0")


def name_colours(summary: Mapping[str, Any]) -> dict[str, str]:
    """A colour for every source, language and group of the mixture; neighbours in this order differ."""
    parts = [summary["sources"], summary["languages"], {group["group"]: group for group in summary.get("mix", [])}]
    names = dict.fromkeys(name for part in parts for name in sorted(part, key=lambda name: _order(name, part[name])))
    return {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(names)}


def _order(name: str, counts: Mapping[str, Any]) -> tuple[int, str]:
    return -counts.get("bytes", counts.get("bytes_after", 0)), name


def tell_apart(names: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """The known colours of a chart's names; who has none, or one that is taken, gets the first that is free."""
    assert len(names) <= len(PALETTE), f"{len(names)} names share {len(PALETTE)} colours"
    found: dict[str, str] = {}
    for name in names:
        if name in known and known[name] not in found.values():
            found[name] = known[name]
    free = [colour for colour in PALETTE if colour not in found.values()]
    others = [name for name in names if name not in found]
    return found | dict(zip(others, free, strict=False))
