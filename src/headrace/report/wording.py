"""Numbers and foreign text as people read them."""

import re

# Characters that move, hide or reorder what stands around them: C0 and C1 controls except tab and newline, line and
# paragraph separators, bidirectional marks and overrides, interlinear marks, lone surrogates, tags.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
CONTROL_PICTURES = 0x2400  # where Unicode keeps a picture of every C0 control
FULL_COUNT = 100_000
EXCERPT_CHARACTERS = 300
COUNT_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
BYTE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def visible(text: str) -> str:
    """The text with every control and direction character replaced by a picture or its code point."""
    return INVISIBLE.sub(lambda match: _picture(ord(match[0])), text)


def _picture(code: int) -> str:
    if code < 0x20:
        return chr(CONTROL_PICTURES + code)
    return "\u2421" if code == 0x7F else f"\u27e8U+{code:04X}\u27e9"


def shorten(text: str, most_characters: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= most_characters else text[: most_characters - 1].rstrip() + "…"


def excerpt(text: str) -> str:
    """The beginning of a document's text."""
    return text if len(text) < EXCERPT_CHARACTERS else text[:EXCERPT_CHARACTERS] + " …"


def score(value: object) -> str:
    """A score of a document: 0.7391, 1,204, or its words."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return count(value) if isinstance(value, int) else str(value)


def count(number: float) -> str:
    """A whole number in full: 13,412."""
    return f"{number:,.0f}"


def short_count(number: float) -> str:
    """A number of things in few digits: 13,412, then 250 k, 4.1 M, 1.2 B."""
    return count(number) if number < FULL_COUNT else _scaled(number, COUNT_UNITS)


def size(size_bytes: float) -> str:
    """Bytes in decimal units: 412 B, 12.3 kB, 4.1 MB."""
    return f"{size_bytes:,.0f} B" if size_bytes < BYTE_UNITS[-1][0] else _scaled(size_bytes, BYTE_UNITS)


def _scaled(number: float, units: tuple[tuple[float, str], ...]) -> str:
    scale, unit = next(((scale, unit) for scale, unit in units if number >= scale), units[-1])
    scaled = number / scale
    return f"{scaled:,.0f} {unit}" if scaled >= 100 else f"{scaled:.1f} {unit}"


def duration(seconds: float) -> str:
    """Seconds in the two units that matter: 4 ms, 0.42 s, 12.3 s, 6 min 20 s, 3 h 12 min, 2 d 4 h."""
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.001 else "< 1 ms"
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    for unit_seconds, unit, part_seconds, part in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        whole, rest = divmod(round(seconds / part_seconds) * part_seconds, unit_seconds)
        if whole:
            return f"{whole} {unit} {rest // part_seconds} {part}"
    raise AssertionError(f"{seconds} seconds are a minute or more")


def share(part: float, whole: float) -> str:
    """A share in per cent; "–" of nothing."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return "< 0.1 %" if 0 < percent < 0.1 else f"{percent:.1f} %"


def decimal(number: float, digits: int = 3) -> str:
    """A measured number with a fixed number of decimals: 1.234."""
    return f"{number:,.{digits}f}"


def plural(number: float, thing: str) -> str:
    """A count and its noun: 1 document, 13,412 documents."""
    return f"{count(number)} {thing}" if number == 1 else f"{count(number)} {thing}s"
