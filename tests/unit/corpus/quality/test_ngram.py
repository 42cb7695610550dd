"""The n-gram model is interpolated modified Kneser-Ney: a proper distribution, as a slow oracle has it."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.corpus.quality.config import NgramConfig
from headrace.corpus.quality.ngram import UNKNOWN_HASH, NgramModel, train_ngram
from headrace.corpus.quality.ngram_table import LEAST_DISCOUNT, NgramTable, bits_of
from headrace.corpus.quality.symbols import hash_bytes
from headrace.corpus.texts import Texts
from headrace.errors import InputError

WORDS = ["a", "b", "cc", "水", ".", "dd", "rare"]
START, UNKNOWN, END = "<start>", "<unknown>", "<end>"
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12)
REFERENCES = st.lists(SENTENCES, min_size=1, max_size=6)
CONFIG = NgramConfig(order=3, spelling_order=2, minimum_count=2)
Symbol = str | int


class Oracle:
    """Interpolated modified Kneser-Ney by dictionaries, as Chen and Goodman write it."""

    def __init__(self, texts: Sequence[Sequence[Symbol]], order: int, vocabulary: int) -> None:
        self.order, self.vocabulary = order, vocabulary
        seen: list[Counter[tuple[Symbol, ...]]] = [Counter() for _ in range(order + 1)]
        for text in ([START, *text] for text in texts):
            for length in range(1, order + 1):
                grams = (tuple(text[i : i + length]) for i in range(len(text) - length + 1))
                seen[length].update(gram for gram in grams if gram != (START,))
        self.counts: list[dict[tuple[Symbol, ...], int]] = [{} for _ in range(order + 1)]
        for length in range(1, order + 1):
            before = Counter(gram[1:] for gram in seen[length + 1]) if length < order else Counter()
            for gram, count in seen[length].items():
                self.counts[length][gram] = count if length == order or gram[0] == START else before[gram]
        self.discounts = [self.discounts_of(list(counts.values())) for counts in self.counts]

    @staticmethod
    def discounts_of(counts: list[int]) -> list[float]:
        n = [counts.count(k) for k in range(4)] + [sum(count >= 4 for count in counts)]
        discounts = [0, 0.5, 1.0, 1.5]
        if n[1] and n[2]:
            for k in (1, 2, 3):
                if n[k]:
                    best = k - (k + 1) * n[1] / (n[1] + 2 * n[2]) * n[k + 1] / n[k]
                    discounts[k] = min(max(best, LEAST_DISCOUNT), k)
        return discounts

    def probability(self, symbol: Symbol, context: tuple[Symbol, ...]) -> float:
        length = len(context) + 1
        after = {gram: count for gram, count in self.counts[length].items() if gram[:-1] == context}
        shorter = self.probability(symbol, context[1:]) if context else 1 / self.vocabulary
        if not after:
            return shorter
        total = sum(after.values())
        reserved = sum(self.discounts[length][min(count, 3)] for count in after.values())
        count = after.get((*context, symbol), 0)
        rest = count - self.discounts[length][min(count, 3)] if count else 0.0
        return rest / total + reserved / total * shorter

    def bits(self, text: Sequence[Symbol]) -> float:
        whole = [START, *text]
        return -sum(
            math.log2(self.probability(symbol, tuple(whole[max(0, i + 2 - self.order) : i + 1])))
            for i, symbol in enumerate(text)
        )


class TextOracle:
    """The two oracles together, with rare words spelt."""

    def __init__(self, texts: list[list[str]], config: NgramConfig) -> None:
        frequency = Counter(word for text in texts for word in text)
        self.known = {word for word, count in frequency.items() if count >= config.minimum_count}
        self.words = Oracle([self.hidden(text) for text in texts], config.order, len(self.known) + 1)
        spelt: list[list[Symbol]] = []
        met: set[str] = set()
        for word in (word for text in texts for word in text):
            if word not in met:
                spelt.append(self.spell(word))
            met |= {word} & self.known
        self.spelling = Oracle(spelt, config.spelling_order, 257)

    def hidden(self, text: list[str]) -> list[Symbol]:
        return [word if word in self.known else UNKNOWN for word in text]

    @staticmethod
    def spell(word: str) -> list[Symbol]:
        return [*word.encode(), END]

    def bits(self, text: list[str]) -> float:
        return self.words.bits(self.hidden(text)) + sum(
            self.spelling.bits(self.spell(word)) for word in text if word not in self.known
        )


@settings(max_examples=60, deadline=None)
@given(REFERENCES, st.lists(SENTENCES, min_size=1, max_size=3), st.integers(2, 4), st.integers(1, 3))
def test_probabilities_are_those_of_the_slow_oracle(
    reference: list[list[str]], asked: list[list[str]], order: int, minimum_count: int
) -> None:
    config = NgramConfig(order=order, spelling_order=3, minimum_count=minimum_count)
    asked = [*asked, ["new", "a", "ñ"]]
    model = train_ngram(Texts.from_strings([" ".join(text) for text in reference]), config)
    oracle = TextOracle(reference, config)
    wanted = np.array([oracle.bits(text) for text in asked])
    num_characters = [len("".join(text)) for text in asked]
    texts = Texts.from_strings([" ".join(text) for text in asked])

    np.testing.assert_allclose(model.bits_per_character(texts) * num_characters, wanted, rtol=1e-5)
    np.testing.assert_allclose(model.perplexity(texts), np.exp2(wanted / list(map(len, asked))), rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(REFERENCES, st.lists(st.sampled_from(WORDS), max_size=4))
def test_the_probabilities_of_all_that_may_follow_sum_to_one(reference: list[list[str]], context: list[str]) -> None:
    model = train_ngram(Texts.from_strings([" ".join(text) for text in reference]), CONFIG)
    frequency = Counter(word for text in reference for word in text)
    words = [hash_of(word) for word in WORDS if frequency[word] >= CONFIG.minimum_count]
    before = [hash_of(word) if hash_of(word) in words else int(UNKNOWN_HASH) for word in context]
    letters = [byte + 1 for byte in context[0].encode()] if context else []

    assert total(model.words, before, [*words, int(UNKNOWN_HASH)]) == pytest.approx(1, abs=1e-5)
    assert total(model.spelling, letters, list(range(1, 258))) == pytest.approx(1, abs=1e-5)


def hash_of(word: str) -> int:
    data = np.frombuffer(word.encode(), np.uint8)
    return int(hash_bytes(data, 0, len(data)))


def total(table: NgramTable, context: list[int], symbols: list[int]) -> float:
    """Sum of the probabilities of the symbols after a context."""
    start = bits_of(np.array(context, np.uint64), table)
    return sum(2.0 ** (start - bits_of(np.array([*context, symbol], np.uint64), table)) for symbol in symbols)


@pytest.fixture(scope="module")
def model() -> NgramModel:
    return train_ngram(prose(1), CONFIG)


def prose(seed: int) -> Texts:
    """Texts in which each word mostly calls for one other word."""
    source = random.Random(seed)
    follows = dict(pairwise("the mill wheel turns and grinds fine grain for bread . the".split()))
    texts = []
    for _ in range(60):
        words = [source.choice(list(follows))]
        while len(words) < 40:
            words.append(follows[words[-1]] if source.random() < 0.8 else source.choice(list(follows)))
        texts.append(" ".join(words))
    return Texts.from_strings(texts)


def test_shuffled_and_garbled_texts_surprise_more(model: NgramModel) -> None:
    source = random.Random(9)
    texts = list(prose(2))
    shuffled = [" ".join(source.sample(text.split(), len(text.split()))) for text in texts]
    garbled = [text.replace("r", "x") for text in texts]
    plain, mixed, broken = (model.bits_per_character(Texts.from_strings(some)) for some in (texts, shuffled, garbled))

    assert (plain < mixed).all()
    assert (plain < broken).all()
    assert (model.perplexity(Texts.from_strings(texts)) < model.perplexity(Texts.from_strings(shuffled))).all()


def test_capitals_and_white_space_change_nothing(model: NgramModel) -> None:
    plain, other = model.bits_per_character(Texts.from_strings(["the mill turns", " The  MILL\tturns "]))

    assert plain == other


def test_a_text_without_words_says_nothing(model: NgramModel) -> None:
    texts = Texts.from_strings(["", " \t"])

    assert model.bits_per_character(texts).tolist() == [0, 0]
    assert model.perplexity(texts).tolist() == [1, 1]


def test_training_repeats_bit_for_bit(model: NgramModel) -> None:
    again = train_ngram(prose(1), CONFIG)

    assert again.words.slots.tobytes() == model.words.slots.tobytes()
    assert again.spelling.slots.tobytes() == model.spelling.slots.tobytes()


def test_a_saved_model_says_the_same(model: NgramModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    loaded = NgramModel.load(tmp_path / "model")

    assert loaded.bits_per_character(prose(5)).tolist() == model.bits_per_character(prose(5)).tolist()
    assert loaded.config == model.config


def test_a_model_of_another_kind_is_refused(model: NgramModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder of saved arrays"):
        NgramModel.load(tmp_path / "missing")


@pytest.mark.parametrize("texts", [[], [""], [" \t"]])
def test_an_empty_reference_is_refused(texts: list[str]) -> None:
    with pytest.raises(InputError, match="reference text"):
        train_ngram(Texts.from_strings(texts), CONFIG)


def test_words_are_counted_over_the_borders_of_growing_room() -> None:
    source = random.Random(4)
    texts = Texts.from_strings([" ".join(str(source.randrange(300)) for _ in range(900)) for _ in range(12)])
    model = train_ngram(texts, NgramConfig(order=2, spelling_order=1, minimum_count=1))
    counts: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        for first, second in pairwise([START, *text.split()]):
            counts[second].add(first)
    keys = model.words.slots[::2]

    assert np.count_nonzero(keys) == len(counts) + sum(map(len, counts.values())) + 2
