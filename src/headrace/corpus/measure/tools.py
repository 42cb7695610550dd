"""What a kernel needs to measure texts: tables to look things up, arrays to write to. Made once, used for every
text."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.measure.characters import Alphabet, alphabet
from headrace.corpus.measure.line_rules import Buffer, empty_buffer
from headrace.corpus.measure.lines import Lines, empty_lines
from headrace.corpus.measure.ngrams import EXAMINED_CHARACTERS, Scratch, empty_scratch
from headrace.corpus.measure.page import Page, empty_page
from headrace.corpus.measure.segment import ChunkTable, Words, empty_words

LONGEST_TOLD_APART = 63
"""Longer words count as this long for the median."""


class Tools(NamedTuple):
    """Written to by every kernel that takes it."""

    alphabet: Alphabet
    chunks: ChunkTable
    words: Words
    page: Page
    """Of the text."""
    spare: Page
    """Of a line without its citations."""
    lines: Lines
    scratch: Scratch
    buffer: Buffer
    points: npt.NDArray[np.int32]
    """The first characters of a text."""
    tally: npt.NDArray[np.int64]
    """Words by length; longer ones than fit count as the longest."""


def make_tools(longest: int, chunks: ChunkTable) -> Tools:
    """Tools for texts of at most so many bytes.

    The arrays have room for the worst, a word or a line at every byte; the system gives memory for what is written
    only.
    """
    capacity = 2 * longest + 16  # the words of a line without its citations are written behind those of the text
    return Tools(
        alphabet(),
        chunks,
        empty_words(capacity),
        empty_page(longest),
        empty_page(longest),
        empty_lines(longest + 2),
        empty_scratch(max(longest, 16)),
        empty_buffer(longest + 16),
        np.empty(min(longest, EXAMINED_CHARACTERS) + 1, np.int32),
        np.zeros(LONGEST_TOLD_APART + 1, np.int64),
    )
