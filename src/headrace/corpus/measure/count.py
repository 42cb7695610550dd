"""Everything that is counted in a text, as whole numbers, in one call for a whole batch."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import inner_kernel, lean_kernel
from headrace.corpus.measure.characters import NUM_LANES, decode
from headrace.corpus.measure.line_scores import (
    NUM_C4_COUNTS,
    NUM_FINEWEB_COUNTS,
    NUM_LINE_COUNTS,
    SENTENCES,
    WORDS,
    count_c4,
    count_lines,
    count_newline_lines,
    count_sentences,
)
from headrace.corpus.measure.lines import read_lines
from headrace.corpus.measure.ngrams import NUM_NGRAM_COUNTS, count_character_ngrams, count_ngrams
from headrace.corpus.measure.page import ONE, read_page
from headrace.corpus.measure.segment import (
    HAS_ALPHA,
    IS_SYMBOL,
    FoundChunks,
    found_in,
    split_chunks,
    split_found,
    split_given,
    split_unicode,
)
from headrace.corpus.measure.stop_words import IS_FUNCTION_WORD, IS_STOP_WORD, NUMBER, Lexicon, look_up
from headrace.corpus.measure.tools import LONGEST_TOLD_APART, Tools

UNICODE, GIVEN, CHUNKS = range(3)
"""How a text's words are found."""

(
    NUM_WORDS,
    PLAIN_WORDS,
    PLAIN_CHARACTERS,
    LONGEST_WORD,
    ALPHA_WORDS,
    STOP_WORDS_FOUND,
    FUNCTION_WORDS_FOUND,
    TWICE_MEDIAN,
    NUM_WORD_COUNTS,
) = range(9)
"""PLAIN: with a character that is no punctuation."""

NUM_TEXT_COUNTS = NUM_LANES + 6
NUM_CHARACTER_COUNTS = 8

TEXT_FIRST = 0
LINE_FIRST = TEXT_FIRST + NUM_TEXT_COUNTS
FINEWEB_FIRST = LINE_FIRST + NUM_LINE_COUNTS
C4_FIRST = FINEWEB_FIRST + NUM_FINEWEB_COUNTS
AFTER_C4_FIRST = C4_FIRST + 2 * NUM_C4_COUNTS
WORD_FIRST = AFTER_C4_FIRST + NUM_FINEWEB_COUNTS
NGRAM_FIRST = WORD_FIRST + NUM_WORD_COUNTS
CHARACTER_FIRST = NGRAM_FIRST + NUM_NGRAM_COUNTS
NUM_COUNTS = CHARACTER_FIRST + NUM_CHARACTER_COUNTS


class Plan(NamedTuple):
    """How each text of a batch is to be taken, (N,) each but for `lengths`."""

    rows: npt.NDArray[np.int64]
    """Those that are to be counted."""
    ways: npt.NDArray[np.int8]
    """UNICODE, GIVEN or CHUNKS."""
    languages: npt.NDArray[np.int8]
    """Number of the language in `stop_words.LANGUAGES`, or -1."""
    is_chinese: npt.NDArray[np.bool_]
    firsts: npt.NDArray[np.int64]
    """(N + 1,) GIVEN: where the lengths of the text's pieces begin."""
    lengths: npt.NDArray[np.int64]
    found: FoundChunks
    """CHUNKS: those that are known."""


@lean_kernel
def count_texts(
    data: np.ndarray, offsets: np.ndarray, plan: Plan, lexicon: Lexicon, tools: Tools, counts: np.ndarray
) -> int:
    """Writes to `counts`, int64 (N, NUM_COUNTS), what the texts of `plan.rows` hold.

    What a text with chunks that are not in the table holds is left undefined; the row of such a one is written to the
    beginning of `plan.rows`. Returns how many there are.
    """
    left = 0
    for row in plan.rows:
        missing_before = tools.chunks.num_missing[0]
        text, of_text = data[offsets[row] : offsets[row + 1]], counts[row]
        of_text[:] = 0
        read_page(text, tools.alphabet, tools.page, of_text)
        num_lines, is_plain = read_lines(text, tools.page, tools.lines, of_text)
        num_words = _split(text, row, plan, tools)
        _count_words(tools, num_words, plan.languages[row], lexicon, of_text[WORD_FIRST:])
        count_ngrams(tools.words, num_words, tools.scratch, of_text[NGRAM_FIRST:])
        of_lines = of_text[LINE_FIRST:]
        count_lines(text, tools, num_lines, of_lines)
        of_lines[SENTENCES] = count_sentences(tools.words, 0, num_words)
        count_c4(text, tools, num_lines, num_words, of_text[C4_FIRST:])
        of_text[FINEWEB_FIRST + WORDS] = num_words
        count_newline_lines(text, tools, num_lines, is_plain, of_lines, of_text[FINEWEB_FIRST:])
        num_points = _read_points(text, tools.page.is_ascii[0], of_text[NUM_LANES], tools.points)
        _count_characters(tools, num_points, plan.is_chinese[row], of_text[CHARACTER_FIRST:])
        plan.rows[left] = row
        left += tools.chunks.num_missing[0] > missing_before
    return left


@inner_kernel
def _split(text: np.ndarray, row: int, plan: Plan, tools: Tools) -> int:
    if plan.ways[row] == GIVEN:
        lengths = plan.lengths[plan.firsts[row] : plan.firsts[row + 1]]
        return split_given(text, tools.page, tools.alphabet, tools.words, lengths)
    if plan.ways[row] == CHUNKS:
        if len(plan.found.keys):
            return split_found(text, tools.words, found_in(plan.found, row), tools.chunks)
        return split_chunks(text, tools.page, tools.words, tools.chunks)
    return split_unicode(text, tools.page, tools.alphabet, tools.words)


@inner_kernel
def _count_words(tools: Tools, num_words: int, language: int, lexicon: Lexicon, counts: np.ndarray) -> None:
    words, of_length, found = tools.words, tools.tally, 0
    entries = lexicon.entries[language]
    of_length[:] = 0
    plain = characters = longest = alphabetic = functional = 0
    for n in range(np.uint64(num_words)):  # plain sums, which the processor does many of at once
        flags, length = words.flags[n], words.sums[n + ONE] - words.sums[n]
        is_plain = flags & IS_SYMBOL == 0
        plain += is_plain
        characters += length * is_plain
        longest = max(longest, length * is_plain)
        alphabetic += flags & HAS_ALPHA != 0
    for n in range(np.uint64(num_words)):
        of_length[np.uint64(min(words.sums[n + ONE] - words.sums[n], LONGEST_TOLD_APART))] += (
            words.flags[n] & IS_SYMBOL == 0
        )
        value = look_up(words.hashes[n], entries)
        functional += value & IS_FUNCTION_WORD != 0
        found |= (value & IS_STOP_WORD != 0) << (value & NUMBER)
    counts[NUM_WORDS], counts[PLAIN_WORDS], counts[PLAIN_CHARACTERS] = num_words, plain, characters
    counts[LONGEST_WORD], counts[ALPHA_WORDS], counts[FUNCTION_WORDS_FOUND] = longest, alphabetic, functional
    while found:
        counts[STOP_WORDS_FOUND] += found & 1
        found >>= 1
    if plain:
        counts[TWICE_MEDIAN] = _nth(of_length, (plain - 1) // 2) + _nth(of_length, plain // 2)


@inner_kernel
def _nth(tally: np.ndarray, n: int) -> int:
    """The n-th smallest of the values that were tallied."""
    value = seen = 0
    while seen + tally[value] <= n:
        seen += tally[value]
        value += 1
    return value


@inner_kernel
def _read_points(text: np.ndarray, is_ascii: bool, characters: int, points: np.ndarray) -> int:
    """Writes the text's first characters; returns their number."""
    number, i = min(characters, len(points) - 1), 0
    if is_ascii:
        for n in range(number):
            points[n] = text[n]
        return number
    for n in range(number):
        point, size = decode(text, i)
        points[n] = point
        i += size
    return number


@inner_kernel
def _count_characters(tools: Tools, num_points: int, is_chinese: bool, counts: np.ndarray) -> None:
    """Adds character n-grams: those of 10, then for Chinese of 3 and 13: their number, later ones, frequent ones."""
    points = tools.points[:num_points]
    counts[0], counts[1], counts[2] = count_character_ngrams(points, 10, tools.scratch)
    if is_chinese:
        counts[3], counts[4], counts[5] = count_character_ngrams(points, 3, tools.scratch)
        counts[6], counts[7], _ = count_character_ngrams(points, 13, tools.scratch)
    else:
        counts[3], counts[4], counts[5] = counts[0], counts[1], counts[2]
