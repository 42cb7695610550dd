"""How often each word stands in a corpus: all a trainer of byte-pair merges needs to know of it."""

import numpy as np
from numpy.typing import NDArray

from headrace.corpus.kernel import inner_kernel, kernel
from headrace.corpus.texts import Texts
from headrace.tokens.code_point_classes import code_point_classes
from headrace.tokens.patterns import Digits, PatternName
from headrace.tokens.words import Bytes, cutting, piece_end, word_end

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]

FIRST_WORDS, FIRST_BYTES = 1 << 12, 1 << 16
EMPTY = -1


class WordCounts:
    """Words and their counts, in order of first appearance. Grows as it must: about 40 bytes and the word's own."""

    def __init__(self, pattern: PatternName, digits: Digits) -> None:
        self._cutting = cutting(pattern, digits)
        self._classes = code_point_classes()
        self._slots = np.full(4 * FIRST_WORDS, EMPTY, np.int32)
        self._hashes = np.empty(FIRST_WORDS, np.uint64)
        self._starts = np.zeros(FIRST_WORDS + 1, np.int64)
        self._counts = np.zeros(FIRST_WORDS, np.int64)
        self._bytes = np.empty(FIRST_BYTES, np.uint8)
        self._num_words = 0

    @property
    def num_words(self) -> int:
        return self._num_words

    @property
    def size_bytes(self) -> int:
        """Of all different words together."""
        return int(self._starts[self._num_words])

    @property
    def words(self) -> Texts:
        """The different words, of which any may be half a letter's bytes: do not decode them."""
        return Texts(self._bytes[: self.size_bytes], self._starts[: self._num_words + 1])

    @property
    def counts(self) -> Numbers:
        return self._counts[: self._num_words]

    def add(self, texts: Texts) -> None:
        """Counts the words of some more texts."""
        place = np.zeros(3, np.int64)
        place[2] = self._num_words
        while True:
            wanted_bytes = count_words(
                texts.data,
                texts.offsets,
                self._classes,
                self._cutting,
                place,
                (self._slots, self._hashes, self._starts, self._counts, self._bytes),
            )
            self._num_words = int(place[2])
            if place[0] == len(texts):
                return
            self._grow(wanted_bytes)

    def _grow(self, wanted_bytes: int) -> None:
        if self._num_words == len(self._hashes):
            size = 2 * self._num_words
            self._hashes, self._counts = np.resize(self._hashes, size), np.resize(self._counts, size)
            self._starts = np.resize(self._starts, size + 1)
            self._slots = np.full(4 * size, EMPTY, np.int32)
            fill_slots(self._slots, self._hashes, self._num_words)
        if self.size_bytes + wanted_bytes > len(self._bytes):
            self._bytes = np.resize(self._bytes, max(2 * len(self._bytes), self.size_bytes + wanted_bytes))


@kernel
def count_words(
    data: np.ndarray,
    offsets: np.ndarray,
    classes: np.ndarray,
    cutting: tuple[int, int, int],
    place: np.ndarray,
    table: tuple[NDArray[np.int32], Hashes, Numbers, Numbers, Bytes],
) -> int:
    """Counts until all texts are done or the table is full; returns the bytes of the word that found no room.

    place: the text and the byte in it to go on at, and the number of words; all are kept up to date.
    """
    slots, hashes, starts, counts, kept = table
    text, begin, num_words = int(place[0]), int(place[1]), int(place[2])
    while text < len(offsets) - 1:
        at, end = int(offsets[text]) + begin, int(offsets[text + 1])
        piece = at
        while at < end:
            if at >= piece:
                piece = piece_end(data, at, end, classes, cutting[1])
            stop = word_end(data, at, piece, classes, cutting)
            code = _hash(data, at, stop)
            slot = _find(data, at, stop, code, (slots, hashes, starts, kept))
            word = slots[slot]
            if word == EMPTY:
                first = starts[num_words]
                if num_words == len(hashes) or first + stop - at > len(kept):
                    place[0], place[1], place[2] = text, at - offsets[text], num_words
                    return stop - at
                kept[first : first + stop - at] = data[at:stop]
                hashes[num_words], counts[num_words], starts[num_words + 1] = code, 1, first + stop - at
                slots[slot] = num_words
                num_words += 1
            else:
                counts[word] += 1
            at = stop
        text, begin = text + 1, 0
    place[0], place[1], place[2] = text, 0, num_words
    return 0


@inner_kernel
def _hash(data: np.ndarray, begin: int, end: int) -> np.uint64:
    code = np.uint64(0x9E3779B97F4A7C15)
    for at in range(begin, end):
        code = (code ^ np.uint64(data[at])) * np.uint64(0xFF51AFD7ED558CCD)
    return np.uint64(code ^ (code >> np.uint64(32)))


@inner_kernel
def _find(
    data: np.ndarray, begin: int, end: int, code: np.uint64, table: tuple[NDArray[np.int32], Hashes, Numbers, Bytes]
) -> int:
    """The slot of a word, or the empty one where it belongs."""
    slots, hashes, starts, kept = table
    mask = len(slots) - 1
    slot = int(np.int64(code & np.uint64(mask)))
    while slots[slot] != EMPTY:
        word = slots[slot]
        if hashes[word] == code and starts[word + 1] - starts[word] == end - begin:
            first = starts[word]
            same = True
            for step in range(end - begin):
                if kept[first + step] != data[begin + step]:
                    same = False
                    break
            if same:
                return slot
        slot = (slot + 1) & mask
    return slot


@kernel
def fill_slots(slots: np.ndarray, hashes: np.ndarray, num_words: int) -> None:
    """Enters words, all different, into empty slots."""
    mask = len(slots) - 1
    for word in range(num_words):
        slot = int(np.int64(hashes[word] & np.uint64(mask)))
        while slots[slot] != EMPTY:
            slot = (slot + 1) & mask
        slots[slot] = word
