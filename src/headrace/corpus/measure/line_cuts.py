"""What C4's and RefinedWeb's line rules cut out of texts.

Removing `c4_cuts` leaves what datatrove's C4 filter makes of a kept document: lines without white space at their ends,
one newline between them. Line breaks of other kinds than newline, which that filter turns into newlines, stay as they
are.
"""

import numpy as np

from headrace.corpus.cuts import Cuts
from headrace.corpus.kernel import inner_kernel, lean_kernel
from headrace.corpus.measure.characters import SPACE, Alphabet, flags_at
from headrace.corpus.measure.line_rules import ENDS_WELL, IS_CITED, KEEP, is_removed, notice_part
from headrace.corpus.measure.line_scores import judge_lines
from headrace.corpus.measure.lines import (
    NEWLINE,
    OPEN_BRACKET,
    citation_end,
    read_lines,
    split_at_newlines,
)
from headrace.corpus.measure.page import read_page, strip_part
from headrace.corpus.measure.segment import no_chunks
from headrace.corpus.measure.tools import Tools, make_tools
from headrace.corpus.texts import Texts

C4, C4_ANY_END, REFINEDWEB = range(3)

BYTES_A_CUT = 16
"""There is room for one in so many bytes; if there are more, all are sought anew. What is not written costs nothing."""


def c4_cuts(texts: Texts, *, terminal_punctuation: bool) -> Cuts:
    """What C4 cuts out: citations, and lines without 3 words, without terminal punctuation (if asked), with
    javascript and so on.

    Says nothing of documents that C4 drops as a whole.
    """
    return _cuts(texts, C4 if terminal_punctuation else C4_ANY_END)


def refinedweb_cuts(texts: Texts) -> Cuts:
    """What RefinedWeb cuts out: lines in capitals, counters, lines of one word, notices in short lines."""
    return _cuts(texts, REFINEDWEB)


def _cuts(texts: Texts, kind: int) -> Cuts:
    tools = make_tools(int(texts.sizes.max(initial=0)), no_chunks())
    found = np.empty((1024 + len(texts.data) // BYTES_A_CUT, 3), np.int64)
    while (number := _find_cuts(texts.data, texts.offsets, tools, kind, found)) > len(found):
        found = np.empty((number, 3), np.int64)
    return Cuts(*np.ascontiguousarray(found[:number].T))


@lean_kernel
def _find_cuts(data: np.ndarray, offsets: np.ndarray, tools: Tools, kind: int, found: np.ndarray) -> int:
    """Writes row, begin and end of each cut; returns their number, which may be more than there was room for."""
    number = 0
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        read_page(text, tools.alphabet, tools.page, tools.tally)
        if kind == REFINEDWEB:
            number = _cut_refinedweb(text, tools, row, number, found)
        else:
            number = _cut_c4(text, tools, row, kind, number, found)
    return number


@inner_kernel
def _write(row: int, begin: int, end: int, number: int, found: np.ndarray) -> int:
    if begin >= end:
        return number
    if number < len(found):
        found[number, 0], found[number, 1], found[number, 2] = row, begin, end
    return number + 1


@inner_kernel
def _cut_citations(
    text: np.ndarray, part: tuple[int, int], alphabet: Alphabet, row: int, number: int, found: np.ndarray
) -> int:
    i, end = part
    while i < end:
        after = citation_end(text, i, end, alphabet) if text[i] == OPEN_BRACKET else 0
        number = _write(row, i, after, number, found)
        i = max(after, i + 1)
    return number


@inner_kernel
def _cut_c4(text: np.ndarray, tools: Tools, row: int, kind: int, number: int, found: np.ndarray) -> int:
    """Between two kept lines one line break stays, the first's; everything else outside of kept lines goes."""
    lines, codes, alphabet = tools.lines, tools.scratch.slots, tools.alphabet
    num_lines, _ = read_lines(text, tools.page, lines, tools.tally)
    judge_lines(text, tools, num_lines, codes)
    wanted = KEEP | ENDS_WELL if kind == C4 else KEEP
    last_kept = num_lines - 1
    while last_kept >= 0 and codes[last_kept] & wanted != wanted:
        last_kept -= 1
    open_begin, is_first = 0, True
    for n in range(last_kept + 1):
        if codes[n] & wanted != wanted:
            continue
        begin, end = lines.firsts[n], lines.lasts[n]
        if codes[n] & IS_CITED:
            solid_begin, solid_end = _solid_part(text, begin, end, alphabet)
            begin, end = solid_begin if is_first else begin, solid_end if n == last_kept else end
        number = _write(row, open_begin, begin, number, found)
        number = _cut_citations(text, (begin, end), alphabet, row, number, found)
        open_begin, is_first = end, False
        if n < last_kept:
            line_break = lines.nexts[n] - 1 if text[lines.nexts[n] - 1] == NEWLINE else lines.ends[n]
            number = _write(row, end, line_break, number, found)
            open_begin = lines.nexts[n]
    return _write(row, open_begin, len(text), number, found)


@inner_kernel
def _solid_part(text: np.ndarray, begin: int, end: int, alphabet: Alphabet) -> tuple[int, int]:
    """Without white space and citations at its ends."""
    first, last, i = end, begin, begin
    while i < end:
        after = citation_end(text, i, end, alphabet) if text[i] == OPEN_BRACKET else 0
        if after:
            i = after
            continue
        flags, size = flags_at(text, i, alphabet)
        i += size
        if not flags & SPACE:
            first, last = min(first, i - size), i
    return (begin, begin) if first > last else (first, last)


@inner_kernel
def _cut_refinedweb(text: np.ndarray, tools: Tools, row: int, number: int, found: np.ndarray) -> int:
    """Lines go with their line break, empty lines if another comes before them, notices alone if more is in the
    line."""
    lines, alphabet, num_empty = tools.lines, tools.alphabet, 0
    num_lines = split_at_newlines(text, tools.page, lines)
    last_kept = num_lines - 1
    while last_kept >= 0 and (lines.begins[last_kept] == lines.ends[last_kept] or _goes(text, tools, last_kept)):
        last_kept -= 1
    for n in range(last_kept + 1):
        begin, end = lines.begins[n], lines.ends[n]
        num_empty = num_empty + 1 if begin == end else 0
        if num_empty > 1 or _goes(text, tools, n):
            number = _write(row, begin, lines.nexts[n], number, found)
            continue
        first, last = notice_part(text, lines, n, alphabet)
        number = _write(row, first, last, number, found)
    return _write(row, lines.ends[last_kept] if last_kept >= 0 else 0, len(text), number, found)


@inner_kernel
def _goes(text: np.ndarray, tools: Tools, n: int) -> bool:
    """Whether nothing of line n stays."""
    if is_removed(text, tools.lines, n, tools.alphabet):
        return True
    begin, end = tools.lines.begins[n], tools.lines.ends[n]
    first, last = notice_part(text, tools.lines, n, tools.alphabet)
    if first == last:
        return False
    before_begin, before_end = strip_part(tools.page, begin, first)
    after_begin, after_end = strip_part(tools.page, last, end)
    return before_begin == before_end and after_begin == after_end
