"""A text as it reads in ASCII: full-width letters, odd spaces and odd hyphens by their plain twins, place for place."""

FULL_WIDTH = range(0xFF01, 0xFF5F)
_SPACES = (0x00A0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)
_HYPHENS = (*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63)
_PLAIN = {
    **{code: code - 0xFEE0 for code in FULL_WIDTH},
    **dict.fromkeys(_SPACES, ord(" ")),
    **dict.fromkeys(_HYPHENS, ord("-")),
}


def plain_view(text: str) -> str:
    """The text with as many characters, so that an offset in one is the offset in the other."""
    return text if text.isascii() else text.translate(_PLAIN)
