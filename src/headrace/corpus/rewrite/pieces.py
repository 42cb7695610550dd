"""A text as pieces that may be changed and pieces that may not; together they are the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from headrace.corpus.measure.words import CHINESE, split_words

# numbers and everything joined to them, addresses, and placeholders such as <EMAIL>
PROTECTED = re.compile(r"<[A-Za-z_]+(?:[: ][^<>\n]*)?>|[!-;=?-~]*[\d@][!-;=?-~\d]*|\w+://\S+")
_PIECE = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\s+|[\d_]+|[^\w\s]")
_SPACE_OR_WORD = re.compile(r"\s+|[^\s]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A word, or what is between words."""

    text: str
    is_word: bool


def split_pieces(text: str, language: str) -> list[Piece]:
    """The pieces in order: joined, their texts are the text."""
    pieces: list[Piece] = []
    done = 0
    for match in PROTECTED.finditer(text):
        pieces += _split_free(text[done : match.start()], language)
        pieces.append(Piece(match[0], is_word=False))
        done = match.end()
    return [*pieces, *_split_free(text[done:], language)]


def _split_free(text: str, language: str) -> Iterator[Piece]:
    """Pieces of a stretch without protected parts."""
    if language != CHINESE:
        yield from (Piece(match[0], is_word=match[0][0].isalpha()) for match in _PIECE.finditer(text))
        return
    for stretch in _SPACE_OR_WORD.findall(text):
        words = [stretch] if stretch.isspace() else split_words(stretch, language)
        yield from (Piece(word, is_word=word.isalpha()) for word in words)
