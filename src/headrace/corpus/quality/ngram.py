"""How surprising texts are to a model of reference text, trained in seconds.

Two n-gram models share the work: one of symbols (words, characters of unspaced scripts), whose rare words are all one
symbol "unknown", and one of the bytes that unknown words are spelt with. So every text has a probability, and garbled
words cost more than plausible ones. White space is not counted, and capitals are taken as small letters.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.arrays import load_arrays, save_arrays
from headrace.corpus.kernel import kernel
from headrace.corpus.quality.config import NgramConfig
from headrace.corpus.quality.ngram_counts import (
    START,
    Entries,
    add_symbol,
    count_symbols,
    fill_slots,
    find_slot,
    new_entries,
    reserve,
)
from headrace.corpus.quality.ngram_table import NO_ENTRY, NgramTable, bits_of, estimate, find, view_table
from headrace.corpus.quality.symbols import Symbols, character_kinds, mix, read_symbols
from headrace.corpus.texts import Texts
from headrace.errors import InputError

FORMAT = "headrace n-gram model 1"
"""Goes with every saved model: raise it when symbols or probabilities are made differently."""

UNKNOWN_HASH = np.uint64(0x9B97F4A7C15A1E5D)
WORD_END = np.uint64(257)
NUM_LETTERS = 257
"""Bytes, as 1 to 256 because a symbol 0 would have the key of an empty slot, and the end of a word."""

Numbers = npt.NDArray[np.float64]


@kernel
def spell(data: np.ndarray, begin: int, end: int, letters: np.ndarray) -> int:
    """Fills in the bytes of a word, ASCII capitals as small letters, and its end; returns how many that are."""
    for position in range(begin, end):
        byte = np.uint64(data[position])
        if byte - np.uint64(65) < np.uint64(26):
            byte |= np.uint64(32)
        letters[position - begin] = byte + np.uint64(1)
    letters[end - begin] = WORD_END
    return end - begin + 1


@kernel
def replace_rare(num: int, entries: Entries, symbols: Symbols, is_spelt: np.ndarray) -> int:
    """Makes what is not among the entries "unknown"; marks what is to be spelt: that, and every other symbol once.

    The marks are put into `unspaced`. is_spelt: which entries were spelt before. Returns the bytes to spell.
    """
    num_bytes = 0
    for index in range(num):
        entry = entries.slots[find_slot(entries, mix(symbols.hashes[index]))]
        if entry == 0:
            symbols.hashes[index] = UNKNOWN_HASH
        symbols.unspaced[index] = entry == 0 or not is_spelt[entry]
        is_spelt[entry] = True
        if symbols.unspaced[index]:
            num_bytes += symbols.ends[index] - symbols.begins[index] + 1
    return num_bytes


@kernel
def count_spellings(
    data: np.ndarray, num: int, symbols: Symbols, letters: np.ndarray, counted: tuple[int, Entries]
) -> None:
    """Counts the n-grams of the marked symbols' bytes, up to an order, among the entries."""
    order, entries = counted
    for index in range(num):
        if symbols.unspaced[index]:
            size = spell(data, symbols.begins[index], symbols.ends[index], letters)
            count_symbols(letters[:size], order, entries)


@kernel
def weigh_texts(
    data: np.ndarray,
    offsets: np.ndarray,
    kinds: np.ndarray,
    room: tuple[Symbols, np.ndarray],
    tables: tuple[NgramTable, NgramTable],
    weights: np.ndarray,
) -> None:
    """Fills weights (N, 3): bits, symbols and characters of each text, white space left out."""
    symbols, letters = room
    words, spelling = tables
    for row in range(len(offsets) - 1):
        num = read_symbols(data, offsets[row], offsets[row + 1], kinds, symbols)
        bits = 0.0
        num_characters = 0
        for index in range(num):
            begin, end = symbols.begins[index], symbols.ends[index]
            if find(words, mix(symbols.hashes[index])) == NO_ENTRY:
                symbols.hashes[index] = UNKNOWN_HASH
                bits += bits_of(letters[: spell(data, begin, end, letters)], spelling)
            for position in range(begin, end):
                num_characters += data[position] & 0xC0 != 0x80
        weights[row, 0] = bits + bits_of(symbols.hashes[:num], words)
        weights[row, 1], weights[row, 2] = num, num_characters


class NgramModel:
    """A probability for every text; how it was made is in the package's docstrings."""

    def __init__(self, words: NgramTable, spelling: NgramTable, config: NgramConfig) -> None:
        """words, spelling: what is looked up; config: how they were trained."""
        self.words, self.spelling, self.config = words, spelling, config

    def bits_per_character(self, texts: Texts) -> Numbers:
        """(N,) bits per character that is not white space; 0 for a text without any."""
        bits, _, num_characters = self._weigh(texts)
        return bits / np.maximum(num_characters, 1)

    def perplexity(self, texts: Texts) -> Numbers:
        """(N,) 2 to the power of the bits per symbol (word, character of an unspaced script); 1 for a text without any.

        It cannot be compared between languages, nor with perplexities over other words.
        """
        bits, num_symbols, _ = self._weigh(texts)
        return np.exp2(np.minimum(bits / np.maximum(num_symbols, 1), MOST_BITS))

    def _weigh(self, texts: Texts) -> tuple[Numbers, Numbers, Numbers]:
        longest = int(texts.sizes.max(initial=0))
        room = (Symbols.room_for(longest), np.empty(longest + 1, np.uint64))
        weights = np.empty((len(texts), 3))
        weigh_texts(texts.data, texts.offsets, character_kinds(), room, (self.words, self.spelling), weights)
        return weights[:, 0], weights[:, 1], weights[:, 2]

    def save(self, folder: Path) -> None:
        """Writes the model as plain arrays. Raises FileExistsError if the folder is there."""
        facts = {
            "format": FORMAT,
            "config": self.config.as_json(),
            "unseen": {"words": self.words.unseen, "spelling": self.spelling.unseen},
        }
        save_arrays(folder, {"words": self.words.slots, "spelling": self.spelling.slots}, facts)

    @classmethod
    def load(cls, folder: Path) -> "NgramModel":
        """The model that was saved. Raises InputError if it is not whole, or of another format."""
        arrays, facts = load_arrays(folder, ("words", "spelling"))
        if facts.get("format") != FORMAT:
            raise InputError(f'{folder}: format "{facts.get("format")}", want "{FORMAT}". Train the model again.')
        config = NgramConfig.model_validate(facts["config"])
        return cls(
            view_table(arrays["words"], config.order, facts["unseen"]["words"]),
            view_table(arrays["spelling"], config.spelling_order, facts["unseen"]["spelling"]),
            config,
        )


MOST_BITS = 1000.0
"""Perplexity is cut off here, so that it stays finite."""


def train_ngram(texts: Texts, config: NgramConfig) -> NgramModel:
    """A model of these texts. Raises InputError if they hold nothing but white space."""
    longest = int(texts.sizes.max(initial=0))
    symbols, letters = Symbols.room_for(longest), np.empty(longest + 1, np.uint64)
    words, spelling = _vocabulary(texts, config, symbols), new_entries()
    is_spelt = np.zeros(int(words.size[0]), bool)
    kinds = character_kinds()
    for begin, end in zip(texts.offsets[:-1].tolist(), texts.offsets[1:].tolist(), strict=True):
        num = read_symbols(texts.data, begin, end, kinds, symbols)
        spelling = reserve(spelling, replace_rare(num, words, symbols, is_spelt) * config.spelling_order)
        count_spellings(texts.data, num, symbols, letters, (config.spelling_order, spelling))
        words = reserve(words, num * config.order)
        count_symbols(symbols.hashes[:num], config.order, words)
    return NgramModel(
        estimate(words, config.order), estimate(spelling, config.spelling_order, vocabulary=NUM_LETTERS), config
    )


def _vocabulary(texts: Texts, config: NgramConfig, symbols: Symbols) -> Entries:
    """Entries of the symbols that are not rare, and of "unknown", all counted 0."""
    found = new_entries()
    kinds = character_kinds()
    for begin, end in zip(texts.offsets[:-1].tolist(), texts.offsets[1:].tolist(), strict=True):
        num = read_symbols(texts.data, begin, end, kinds, symbols)
        found = reserve(found, num)
        count_symbols(symbols.hashes[:num], 1, found)
    size = int(found.size[0])
    if size <= START + 1:
        raise InputError("the reference text of the perplexity model is empty: give it some text of the kind wanted")
    is_kept = (found.counts[:size] >= config.minimum_count) | (np.arange(size) <= START)
    entries = reserve(new_entries(), size)
    num_kept = int(is_kept.sum())
    entries.keys[:num_kept] = found.keys[:size][is_kept]
    entries.orders[:num_kept] = found.orders[:size][is_kept]
    entries.size[0] = num_kept
    entries.slots[:] = 0
    fill_slots(entries)
    add_symbol(entries, UNKNOWN_HASH)
    return entries
