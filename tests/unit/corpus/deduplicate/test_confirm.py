"""Who goes after a look at the exact overlap really overlaps with somebody who stays."""

import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from plain_shingles import shingles_of, word

from headrace.corpus.deduplicate import confirm as module
from headrace.corpus.deduplicate.clusters import choose_survivors, cluster
from headrace.corpus.deduplicate.config import MinHashConfig
from headrace.corpus.deduplicate.confirm import candidates, confirm
from headrace.corpus.deduplicate.keys import write_keys
from headrace.corpus.deduplicate.minhash import band_keys
from headrace.corpus.texts import Texts


class Corpus:
    """Texts, their keys on disk and their clusters."""

    def __init__(self, folder: Path, texts: list[str], config: MinHashConfig) -> None:
        self.texts, self.config = texts, config
        self.paths = [folder / f"keys-{unit}.npy" for unit in range(3)]
        keys = band_keys(Texts.from_strings(texts), config)
        for path, part in zip(self.paths, np.array_split(keys, 3), strict=True):
            write_keys(path, part)
        self.labels = cluster(self.paths, folder=folder / "scratch", memory_limit_bytes=1 << 30)

    def fetch(self, rows: np.ndarray) -> Texts:
        assert (np.diff(rows) > 0).all()
        return Texts.from_strings([self.texts[row] for row in rows])

    def confirmed(self, **given: object) -> np.ndarray:
        found = candidates(self.labels, **given)  # type: ignore[arg-type]
        sizes = np.array([len(text.encode()) for text in self.texts])
        return confirm(found, num_bytes=sizes, keys=self.paths, fetch=self.fetch, config=self.config)

    def jaccard(self, one: np.int64, other: np.int64) -> float:
        first, second = (set(shingles_of(self.texts[row], "auto", self.config.ngram)) for row in (one, other))
        return len(first & second) / len(first | second)


def chains(seed: int, *, num_families: int, length: int, num_words: int = 60) -> list[str]:
    """Families in which each text is an edit of the one before: neighbours are near, the ends are far apart."""
    generator = random.Random(seed)
    texts = []
    for _ in range(num_families):
        words = [word(generator.randrange(10_000)) for _ in range(num_words)]
        for _ in range(length):
            texts.append(" ".join(words))
            for place in generator.sample(range(num_words), 2):
                words[place] = word(generator.randrange(10_000))
    generator.shuffle(texts)
    return texts


@pytest.mark.parametrize("batch_bytes", [2_000, 8_000, 16_000_000])
@pytest.mark.parametrize("threshold", [0.6, 0.8])
def test_every_removed_document_overlaps_with_its_twin_which_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_bytes: int, threshold: float
) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", batch_bytes)
    config = MinHashConfig(bands=20, rows=3, ngram=2, confirm=threshold)
    corpus = Corpus(tmp_path, chains(1, num_families=12, length=9), config)

    survivors = corpus.confirmed()

    removed = np.flatnonzero(survivors != np.arange(len(survivors)))
    assert np.array_equal(survivors[survivors], survivors)
    assert min(corpus.jaccard(row, survivors[row]) for row in removed) >= threshold
    assert 0 < len(removed) < (corpus.labels != np.arange(108)).sum()


def test_no_similar_pair_that_shares_a_key_is_left_in_a_cluster_of_ordinary_size(tmp_path: Path) -> None:
    config = MinHashConfig(bands=20, rows=3, ngram=2, confirm=0.7)
    corpus = Corpus(tmp_path, chains(2, num_families=8, length=6), config)
    keys = band_keys(Texts.from_strings(corpus.texts), config)

    survivors = corpus.confirmed()

    stays = np.flatnonzero(survivors == np.arange(len(survivors)))
    pairs = [(a, b) for a in stays for b in stays if a < b and (keys[a] == keys[b]).any()]
    assert [(a, b) for a, b in pairs if corpus.jaccard(a, b) >= 0.7] == []


class Fetch:
    """Texts for worker processes: what is sent to them must be picklable."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __call__(self, rows: np.ndarray) -> Texts:
        return Texts.from_strings([self.texts[row] for row in rows])


def test_worker_processes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = MinHashConfig(bands=20, rows=3, ngram=2, confirm=0.7)
    corpus = Corpus(tmp_path, chains(3, num_families=10, length=5), config)
    expected = corpus.confirmed()
    sizes = np.array([len(text) for text in corpus.texts])

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        given = {"memory_limit_bytes": 1 << 20, "num_processes": 2, "map_function": pool.map}
        labels = cluster(corpus.paths, folder=tmp_path / "other", **given)  # type: ignore[arg-type]
        monkeypatch.setattr(module, "BATCH_ROWS", 15)  # several tasks; no cluster is larger
        survivors = confirm(
            candidates(labels),
            num_bytes=sizes,
            keys=corpus.paths,
            fetch=Fetch(corpus.texts),
            config=config,
            map_function=pool.map,
        )

    assert labels.tolist() == corpus.labels.tolist()
    assert survivors.tolist() == expected.tolist()


def test_documents_that_only_share_keys_by_chance_stay(tmp_path: Path) -> None:
    config = MinHashConfig(bands=60, rows=1, ngram=1, confirm=0.7)
    common = "one two three four five"
    corpus = Corpus(tmp_path, [f"{common} {' '.join(word(20 * i + j) for j in range(20))}" for i in range(40)], config)

    assert len(set(corpus.labels.tolist())) == 1
    assert corpus.confirmed().tolist() == list(range(40))


def test_the_preferred_document_leads_and_indexed_ones_stay(tmp_path: Path) -> None:
    config = MinHashConfig(ngram=1, confirm=0.7)
    words = [word(i) for i in range(50)]
    texts = [" ".join(words), " ".join(words[:48]), " ".join([*words, "more"]), "something else altogether"]
    corpus = Corpus(tmp_path, texts, config)
    lengths = np.array([len(text) for text in texts], np.float64)

    assert corpus.confirmed().tolist() == [0, 0, 0, 3]
    assert corpus.confirmed(preference=lengths).tolist() == [2, 2, 2, 3]
    assert corpus.confirmed(preference=lengths, num_indexed=2).tolist() == [0, 1, 0, 3]


def test_equal_texts_give_the_answer_without_confirmation(tmp_path: Path) -> None:
    generator = random.Random(4)
    texts = [f"text {word(generator.randrange(50))} of a few words that repeat" for _ in range(300)]
    corpus = Corpus(tmp_path, texts, MinHashConfig(ngram=2, confirm=1.0))

    first = {text: texts.index(text) for text in texts}
    assert corpus.confirmed().tolist() == [first[text] for text in texts]
    assert choose_survivors(corpus.labels).tolist() != list(range(300))
