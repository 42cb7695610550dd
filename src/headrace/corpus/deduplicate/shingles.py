"""Texts as words, words as n-grams, n-grams as 64-bit hashes ("shingles"): straight from UTF-8 bytes.

The hash of a word is a polynomial of its folded code points modulo 2**64, that of an n-gram a polynomial of its words'
hashes, mixed at the end. A text of fewer than n words is one n-gram of them all; a text without words is one of its
bytes, so that it equals only itself. Long texts go through in pieces that stay in the cache.
"""

import numpy as np
import numpy.typing as npt

from headrace.corpus.code_points import mix
from headrace.corpus.deduplicate.folding import ALONE, CODE_POINT, DIGIT, DROPPED, SEPARATORS, TABLE_SIZE, Table
from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Texts

Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

OF_CHARACTERS = np.uint64(0x9E3779B97F4A7C15)
OF_WORDS = np.uint64(0xD6E8FEB86659FD93)
NOTHING = np.uint64(0)
FOUR_BITS, SIX_BITS = np.uint64(0x0F), np.uint64(0x3F)
ALONE_BIT = ALONE.bit_length() - 1

PIECE_WORDS = 2048
"""Words that are looked at together: 16 KB of hashes, half of a small L1 cache."""

PLACE, COUNT, IS_DONE = 0, 1, 2
STATE_SIZE = 3

ASCII_END = 128
POINTS = tuple(map(ord, SEPARATORS))


@kernel
def read_code_point(text: np.ndarray, place: int) -> tuple[int, int]:
    """The character that begins at a place of valid UTF-8, and where the next one begins."""
    lead = int(text[place])
    if lead < 0x80:
        return lead, place + 1
    second = int(text[place + 1]) & 0x3F
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | second, place + 2
    third = int(text[place + 2]) & 0x3F
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | second << 6 | third, place + 3
    return (lead & 0x07) << 18 | second << 12 | third << 6 | int(text[place + 3]) & 0x3F, place + 4


@kernel
def entry_of(table: np.ndarray, code_point: int) -> np.uint32:
    """What a code point is folded to, and its flags."""
    return table[code_point] if code_point < TABLE_SIZE else np.uint32(DROPPED)


@kernel
def skip_digits(text: np.ndarray, table: np.ndarray, place: int) -> int:
    """Where the digits that begin at a place end."""
    while place < len(text):
        code_point, following = read_code_point(text, place)
        if not entry_of(table, code_point) & DIGIT:
            break
        place = following
    return place


@kernel
def skip_number(text: np.ndarray, table: np.ndarray, place: int) -> int:
    """Where the number that begins at a place ends: digits, or digits, one separator and digits."""
    place = skip_digits(text, table, place)
    if place < len(text):
        code_point, following = read_code_point(text, place)
        if code_point in POINTS:
            end = skip_digits(text, table, following)
            if end > following:
                return end
    return place


@kernel
def read_special(text: np.ndarray, table: np.ndarray, place: int) -> tuple[np.uint32, int]:
    """The entry of a character that is no plain ASCII letter, and where to read on."""
    code_point, following = read_code_point(text, place)
    entry = entry_of(table, code_point)
    if entry & DIGIT:
        following = skip_number(text, table, place)
    return entry, following


@kernel
def entry_of_three(text: np.ndarray, table: np.ndarray, place: int) -> np.uint32:
    """The entry of a character of three bytes, as nearly all of Chinese is; DROPPED for characters of other sizes."""
    first = np.uint64(place)
    lead = np.uint64(text[first])
    if lead < 0xE0 or lead >= 0xF0:
        return np.uint32(DROPPED)
    second, third = np.uint64(text[first + np.uint64(1)]) & SIX_BITS, np.uint64(text[first + np.uint64(2)]) & SIX_BITS
    return np.uint32(table[(lead & FOUR_BITS) << np.uint64(12) | second << np.uint64(6) | third])


@kernel
def add_alone(words: np.ndarray, entry: np.uint32, count: int, word: np.uint64) -> int:
    """As `add_entry`, for what is a word of its own or ends one: ten times as fast for the lack of branches."""
    words[np.uint64(count)] = word
    count += word != NOTHING
    words[np.uint64(count)] = np.uint64(entry & CODE_POINT)
    return count + int(entry != 0)


@kernel
def add_entry(words: np.ndarray, entry: np.uint32, count: int, word: np.uint64) -> tuple[int, np.uint64]:
    """Takes one more character into the open word, or as a word of its own; returns words so far and the open word."""
    if entry & DROPPED:
        return count, word
    if (entry == 0 or entry & ALONE) and word != NOTHING:
        words[count] = word
        count += 1
        word = NOTHING
    if entry == 0:
        return count, word
    word = word * OF_CHARACTERS + np.uint64(entry & CODE_POINT)
    if entry & ALONE:
        words[count] = word
        return count + 1, NOTHING
    return count, word


@kernel
def read_words(text: np.ndarray, table: np.ndarray, words: np.ndarray, place: int, count: int) -> tuple[int, int]:
    """Appends the hashes of words from a place on, until the text or the room ends; returns place and count.

    It stops for want of room only where a word has ended, so that reading on from there gives the rest.
    """
    word = NOTHING
    size, room = len(text), len(words) - 2
    while place < size and count < room:
        byte = text[np.uint64(place)]  # unsigned: no test for an index that counts from the end
        entry = table[byte]
        if (byte | entry) < ASCII_END:  # a letter or what ends a word, without a branch between the two
            words[np.uint64(count)] = word
            ends = entry == 0
            count += ends & (word != NOTHING)
            word = word * (NOTHING if ends else OF_CHARACTERS) + np.uint64(entry)
            place += 1
            continue
        entry = entry_of_three(text, table, place)
        if entry == 0 or entry >> ALONE_BIT == 1:
            count, word = add_alone(words, entry, count, word), NOTHING
            place += 3
        else:
            entry, place = read_special(text, table, place)
            count, word = add_entry(words, entry, count, word)
    if word != NOTHING:
        words[count] = word
        count += 1
    return place, count


@kernel
def hash_ngrams(words: np.ndarray, num_words: int, ngram: int, shingles: np.ndarray) -> int:
    """Writes the hash of each n-gram of some words, and returns how many there are. There are at least n words."""
    oldest = np.uint64(1)
    rolling = NOTHING
    for index in range(ngram):
        oldest *= OF_WORDS
        rolling = rolling * OF_WORDS + words[index]
    shingles[0] = mix(rolling)
    num_ngrams = num_words - ngram + 1
    for index in range(1, num_ngrams):
        rolling = rolling * OF_WORDS + words[index + ngram - 1] - words[index - 1] * oldest
        shingles[index] = mix(rolling)
    return num_ngrams


@kernel
def hash_short(text: np.ndarray, words: np.ndarray, num_words: int, shingles: np.ndarray) -> int:
    """The one shingle of a text of fewer than n words."""
    rolling = NOTHING
    for index in range(num_words):
        rolling = rolling * OF_WORDS + words[index]
    if num_words == 0:
        for byte in text:
            rolling = rolling * OF_CHARACTERS + np.uint64(byte) + np.uint64(1)
    shingles[0] = mix(rolling)
    return 1


@kernel
def next_shingles(
    text: np.ndarray, table: np.ndarray, words: np.ndarray, shingles: np.ndarray, state: np.ndarray, ngram: int
) -> int:
    """Writes the next shingles of a text into the beginning of `shingles`, and returns how many.

    state: int64 (STATE_SIZE,), zeros before the first call; its IS_DONE is 1 after the last.
    """
    begun = state[PLACE] > 0
    place, count = read_words(text, table, words, state[PLACE], state[COUNT])
    state[PLACE] = place
    state[IS_DONE] = place == len(text)
    if count < ngram:
        return 0 if begun else hash_short(text, words, count, shingles)
    num_shingles = hash_ngrams(words, count, ngram, shingles)
    kept = ngram - 1
    for index in range(kept):
        words[index] = words[count - kept + index]
    state[COUNT] = kept
    return num_shingles


@kernel
def collect(
    data: np.ndarray, offsets: np.ndarray, table: np.ndarray, ngram: int, found: np.ndarray, ends: np.ndarray
) -> None:
    """The shingles of each text one after the other in `found`; those of text i end at ends[i]."""
    words, shingles = np.empty(PIECE_WORDS, np.uint64), np.empty(PIECE_WORDS, np.uint64)
    state = np.zeros(STATE_SIZE, np.int64)
    total = 0
    for row in range(len(ends)):
        text = data[offsets[row] : offsets[row + 1]]
        state[:] = 0
        while state[IS_DONE] == 0:
            number = next_shingles(text, table, words, shingles, state, ngram)
            found[total : total + number] = shingles[:number]
            total += number
        ends[row] = total


def shingle_sets(texts: Texts, table: Table, ngram: int) -> tuple[Hashes, Positions]:
    """The shingles of each text in ascending order, repeated ones repeated; those of text i end at offsets[i + 1].

    Takes up to 8 bytes of memory for each byte of the texts while it runs.
    """
    found = np.empty(int(texts.offsets[-1] - texts.offsets[0]) + len(texts), np.uint64)
    offsets = np.zeros(len(texts) + 1, np.int64)
    collect(texts.data, texts.offsets, table, ngram, found, offsets[1:])
    for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        found[begin:end].sort()
    return found[: offsets[-1]].copy(), offsets
