"""What is counted of the lines of a text, in kernels: Gopher's, FineWeb's, C4's and RefinedWeb's sums."""

import numpy as np

from headrace.corpus.kernel import inner_kernel, part_kernel
from headrace.corpus.measure.characters import IS_SPACE, TERMINAL, before, decode, signed
from headrace.corpus.measure.line_rules import (
    ENDS_WELL,
    HAS_CURLY,
    HAS_LOREM,
    IS_CITED,
    KEEP,
    is_removed,
    judge_line,
    notice_part,
    without_citations,
)
from headrace.corpus.measure.lines import NEWLINE, split_at_newlines
from headrace.corpus.measure.ngrams import count_duplicates, table_size
from headrace.corpus.measure.page import PAD, PRIME, SEED, Page, hash_part, mix, read_page, strip_part, sum_part
from headrace.corpus.measure.segment import (
    AFTER_GAP,
    ENDS_SENTENCE,
    IS_PUNCT,
    Words,
    find_chunk,
    split_chunks,
    split_unicode,
    words_behind,
)
from headrace.corpus.measure.tools import Tools

SHORT_LINE = 30
DASH, DOT = ord("-"), ord(".")

(
    NUM_LINES,
    BULLET_LINES,
    ELLIPSIS_LINES,
    ELEMENTS,
    DUPLICATE_LINES,
    DUPLICATE_LINE_CHARACTERS,
    PARAGRAPHS,
    DUPLICATE_PARAGRAPHS,
    DUPLICATE_PARAGRAPH_CHARACTERS,
    LONGEST_LINE,
    SENTENCES,
    WHITE_WORDS,
    REMOVED_WORDS,
    NUM_LINE_COUNTS,
) = range(14)

LINES, TERMINAL_LINES, SHORT_LINES, DUPLICATE_CHARACTERS, CHARACTERS, NEWLINES, WORDS, NUM_FINEWEB_COUNTS = range(8)
"""Of lines that are not blank: their number and so on; characters and line breaks of all lines, words of the text."""

C4_LINES, C4_SENTENCES, C4_LOREM, C4_CURLY, NUM_C4_COUNTS = range(5)


@inner_kernel
def count_lines(text: np.ndarray, tools: Tools, num_lines: int, counts: np.ndarray) -> None:
    """Adds the number of lines, of those with bullets and ellipses, and the longest, to `counts`."""
    lines = tools.lines
    counts[NUM_LINES] = num_lines
    for n in range(num_lines):
        first, last = lines.firsts[n], lines.lasts[n]
        counts[LONGEST_LINE] = max(counts[LONGEST_LINE], lines.characters[n])
        if first == last:
            continue
        counts[BULLET_LINES] += text[first] == DASH or _is_e280(text, first, last, 0xA2)
        counts[ELLIPSIS_LINES] += _is_e280(text, last - 3, last, 0xA6) or (
            last - first > 2 and text[last - 1] == DOT and text[last - 2] == DOT and text[last - 3] == DOT
        )


@inner_kernel
def _is_e280(text: np.ndarray, begin: int, end: int, third: int) -> bool:
    """Whether the bytes E2 80 and a third stand there: a bullet (A2) or an ellipsis (A6)."""
    return (
        begin >= 0 and end - begin > 2 and text[begin] == 0xE2 and text[begin + 1] == 0x80 and text[begin + 2] == third
    )


@inner_kernel
def count_repeated_lines(
    text: np.ndarray, tools: Tools, num_lines: int, counts: np.ndarray, fineweb: np.ndarray
) -> None:
    """Adds repeated lines to `counts`, and FineWeb's sums to `fineweb`. `tools.lines`: what newline characters
    separate."""
    lines = tools.lines
    keys = tools.scratch.keys[: table_size(num_lines)]
    keys[:] = 0
    for n in range(num_lines):
        begin, end, length = lines.begins[n], lines.ends[n], lines.characters[n]
        fineweb[NEWLINES] += lines.nexts[n] > end
        fineweb[CHARACTERS] += length
        if begin == end:
            continue
        is_blank = lines.firsts[n] == lines.lasts[n]
        counts[ELEMENTS] += 1
        slot = find_chunk(keys, lines.hashes[n])
        if keys[slot] == lines.hashes[n]:
            counts[DUPLICATE_LINES] += 1
            counts[DUPLICATE_LINE_CHARACTERS] += length
            fineweb[DUPLICATE_CHARACTERS] += 0 if is_blank else length
        keys[slot] = lines.hashes[n]
        if not is_blank:
            fineweb[LINES] += 1
            fineweb[SHORT_LINES] += length <= SHORT_LINE
            fineweb[TERMINAL_LINES] += ends_terminally(text, end, tools)
    # splitting at newlines leaves an empty piece before the first and behind the last
    outside = (text[0] == NEWLINE) + (text[len(text) - 1] == NEWLINE) if len(text) else 1
    counts[ELEMENTS] += outside
    counts[DUPLICATE_LINES] += outside == 2


@inner_kernel
def ends_terminally(text: np.ndarray, end: int, tools: Tools) -> bool:
    """Whether the character before byte `end` is terminal punctuation."""
    point, _ = decode(text, before(text, end))
    return bool(tools.alphabet.flags[tools.alphabet.classes[point]] & TERMINAL)


@inner_kernel
def count_repeated_paragraphs(text: np.ndarray, tools: Tools, num_lines: int, counts: np.ndarray) -> None:
    """Adds repeated paragraphs, which empty lines separate, of the stripped text. `tools.lines` as before."""
    lines, scratch = tools.lines, tools.scratch
    first, last = strip_part(tools.page, 0, len(text))
    number, length, value = 0, 0, SEED
    for n in range(num_lines):
        begin, end = max(lines.begins[n], first), min(lines.ends[n], last)
        if begin < end:
            if begin == lines.begins[n] and end == lines.ends[n]:
                line_hash, characters = lines.hashes[n], lines.characters[n]
            else:
                line_hash = hash_part(tools.page, begin, end)
                _, characters, _ = sum_part(tools.page, begin, end)
            value = mix(value * PRIME ^ line_hash)
            length += characters + (length > 0)
        if length and (begin >= end or n == num_lines - 1):
            scratch.hashes[number], scratch.slots[number] = value, length
            number, length, value = number + 1, 0, SEED
    counts[PARAGRAPHS] = max(number, 1)
    counts[DUPLICATE_PARAGRAPHS], counts[DUPLICATE_PARAGRAPH_CHARACTERS] = count_duplicates(
        scratch.hashes[:number], scratch.slots[:number], scratch
    )


@part_kernel
def count_newline_lines(
    text: np.ndarray, tools: Tools, num_lines: int, is_plain: bool, counts: np.ndarray, fineweb: np.ndarray
) -> None:
    """What is counted of lines that newline characters alone separate; spoils `tools.lines` if others are in the
    text."""
    if not is_plain:
        num_lines = split_at_newlines(text, tools.page, tools.lines)
    count_repeated_lines(text, tools, num_lines, counts, fineweb)
    count_repeated_paragraphs(text, tools, num_lines, counts)
    count_removed_words(text, tools, num_lines, counts)


@inner_kernel
def count_sentences(words: Words, first: int, last: int) -> int:
    """Sentences that words [first, last) make: one ends at the first word behind a full stop that is no punctuation.

    Source: spaCy's sentencizer. As there, a gap of more than one space is a word too.
    """
    number, stopped = signed(first != last), 0
    for n in range(np.uint64(first), np.uint64(last)):  # without a branch
        flags = signed(words.flags[n])
        ends = flags // ENDS_SENTENCE & 1
        cut = stopped & (flags // AFTER_GAP | ~ends & ~(flags // IS_PUNCT)) & 1
        number += cut
        stopped = ends | stopped & ~cut
    return number


@inner_kernel
def judge_lines(text: np.ndarray, tools: Tools, num_lines: int, codes: np.ndarray) -> tuple[int, int]:
    """Writes what C4 makes of each line to `codes`; returns the first and the last line kept, or (-1, -1)."""
    lines, first_kept, last_kept = tools.lines, -1, -1
    for n in range(num_lines):
        line = text[lines.firsts[n] : lines.lasts[n]]
        codes[n] = judge_line(line, (lines.words[n], lines.events[n]), tools.buffer, tools.alphabet) if len(line) else 0
        if codes[n] & KEEP:
            first_kept = n if first_kept < 0 else first_kept
            last_kept = n
    return first_kept, last_kept


@part_kernel
def count_c4(text: np.ndarray, tools: Tools, num_lines: int, num_words: int, counts: np.ndarray) -> None:
    """Adds C4's sums with terminal punctuation, those without, and FineWeb's of what the latter leave, to `counts`."""
    lines, words, codes = tools.lines, tools.words, tools.scratch.slots
    first_kept, last_kept = judge_lines(text, tools, num_lines, codes)
    keys = tools.scratch.keys[: table_size(num_lines)]
    keys[:] = 0
    word = 0
    for n in range(num_lines):
        first_word = word
        while word < num_words and words.begins[word] < lines.nexts[n]:
            word += 1
        code, begin, end = codes[n], first_word, word
        if not code & KEEP:
            continue
        part, page = (signed(lines.firsts[n]), signed(lines.lasts[n])), tools.page
        if code & IS_CITED:
            cited = text[lines.firsts[n] : lines.lasts[n]]
            left = tools.buffer.read[: without_citations(cited, tools.buffer.written, tools.alphabet)]
            begin, end = num_words + 1, num_words + 1 + _split(left, tools, num_words + 1)
            # C4 strips the lines before it takes the citations out, and the text after
            first, last = strip_part(tools.spare, 0, len(left))
            part = (first if n == first_kept else 0, last if n == last_kept else len(left))
            page, length = tools.spare, signed(sum_part(tools.spare, part[0], part[1])[1])
            hashed = (hash_part(page, part[0], part[1]), length)
        elif part == (lines.begins[n], lines.ends[n]):
            hashed = (lines.hashes[n], signed(lines.characters[n]))
        else:
            hashed = (hash_part(page, part[0], part[1]), sum_part(page, part[0], part[1])[1])
        _add_c4_line(code, count_sentences(words, begin, end), counts)
        fineweb = counts[2 * NUM_C4_COUNTS :]
        fineweb[WORDS] += end - begin
        fineweb[NEWLINES] += n != first_kept
        _add_fineweb_line(page, part, hashed, keys, tools, fineweb)


@inner_kernel
def _split(text: np.ndarray, tools: Tools, first: int) -> int:
    """Puts a text on the spare page, and its words behind those of another."""
    read_page(text, tools.alphabet, tools.spare, tools.tally)
    words = words_behind(tools.words, first)
    if len(tools.chunks.slots) > 2:
        return split_chunks(text, tools.spare, words, tools.chunks)
    return split_unicode(text, tools.spare, tools.alphabet, words)


@inner_kernel
def _add_c4_line(code: int, sentences: int, counts: np.ndarray) -> None:
    for kind in range(2):
        if kind == 1 or code & ENDS_WELL:
            of_kind = counts[kind * NUM_C4_COUNTS :]
            of_kind[C4_LINES] += 1
            of_kind[C4_SENTENCES] += sentences
            of_kind[C4_LOREM] += code & HAS_LOREM != 0
            of_kind[C4_CURLY] += code & HAS_CURLY != 0


@inner_kernel
def _add_fineweb_line(
    page: Page,
    part: tuple[int, int],
    hashed: tuple[np.uint64, int],
    keys: np.ndarray,
    tools: Tools,
    fineweb: np.ndarray,
) -> None:
    (begin, end), (value, length) = part, hashed
    fineweb[CHARACTERS] += length
    first, last = strip_part(page, begin, end)
    if first == last:
        return
    fineweb[LINES] += 1
    fineweb[SHORT_LINES] += length <= SHORT_LINE
    fineweb[TERMINAL_LINES] += ends_terminally(page.bytes, end + PAD, tools)
    slot = find_chunk(keys, value)
    fineweb[DUPLICATE_CHARACTERS] += length if keys[slot] == value else 0
    keys[slot] = value


@inner_kernel
def count_removed_words(text: np.ndarray, tools: Tools, num_lines: int, counts: np.ndarray) -> None:
    """Adds the words between white space that RefinedWeb's line rules remove. `tools.lines`: parted by newlines."""
    lines, alphabet = tools.lines, tools.alphabet
    for n in range(num_lines):
        begin, end = lines.begins[n], lines.ends[n]
        counts[WHITE_WORDS] += lines.words[n]
        if is_removed(text, lines, n, alphabet):
            counts[REMOVED_WORDS] += lines.words[n]
            continue
        first, last = notice_part(text, lines, n, alphabet)
        if first < last:
            before_it, _, _ = sum_part(tools.page, begin, first)
            behind_it, _, _ = sum_part(tools.page, last, end)
            rest = before_it + behind_it - _are_joined(tools.page, (begin, first), (last, end))
            counts[REMOVED_WORDS] += lines.words[n] - rest


@inner_kernel
def _are_joined(page: Page, first: tuple[int, int], last: tuple[int, int]) -> bool:
    """Whether two parts of a line become one word when what is between them goes."""
    if first[0] == first[1] or last[0] == last[1]:
        return False
    return not (page.kinds[first[1] - 1 + PAD] | page.kinds[last[0] + PAD]) & IS_SPACE
