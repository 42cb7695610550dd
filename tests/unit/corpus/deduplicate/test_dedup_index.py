"""A new dump against the index of earlier ones: as if everything had been deduplicated together."""

import random
from pathlib import Path

import numpy as np
import pytest
from plain_shingles import word

from headrace.corpus.deduplicate.clusters import choose_survivors, cluster
from headrace.corpus.deduplicate.config import MinHashConfig
from headrace.corpus.deduplicate.index import add_to_index, load_index
from headrace.corpus.deduplicate.keys import write_keys
from headrace.corpus.deduplicate.minhash import band_keys
from headrace.corpus.texts import Texts
from headrace.errors import RecipeError, StoreError

CONFIG = MinHashConfig(bands=10, rows=2, ngram=2)
LIMIT = 1 << 30


def write_dump(folder: Path, texts: list[str], units: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{unit}.npy" for unit in range(units)]
    for path, part in zip(paths, np.array_split(band_keys(Texts.from_strings(texts), CONFIG), units), strict=True):
        write_keys(path, part)
    return paths


def make_texts(seed: int, number: int) -> list[str]:
    generator = random.Random(seed)
    families = [[word(generator.randrange(3_000)) for _ in range(30)] for _ in range(number // 3)]
    texts = []
    for _ in range(number):
        words = list(generator.choice(families))
        words[generator.randrange(30)] = word(generator.randrange(3_000))
        texts.append(" ".join(words))
    return texts


@pytest.mark.parametrize("cuts", [(90,), (40, 41, 150), (0, 60)])
def test_dump_after_dump_gives_what_all_together_give(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    texts = make_texts(len(cuts), 200)
    names = np.array([f"{row:032x}" for row in range(200)])
    takes_part = np.random.default_rng(8).random(200) < 0.9
    whole = cluster(
        write_dump(tmp_path / "all", texts, 3), folder=tmp_path / "w", memory_limit_bytes=LIMIT, takes_part=takes_part
    )
    together = names[choose_survivors(whole)]

    found: list[str] = []
    for number, (begin, end) in enumerate(zip((0, *cuts), (*cuts, 200), strict=True)):
        index = load_index(tmp_path / "index", CONFIG)
        keys = write_dump(tmp_path / f"dump-{number}", texts[begin:end], 2)
        labels = cluster(
            [*index.keys, *keys],
            folder=tmp_path / f"scratch-{number}",
            memory_limit_bytes=LIMIT,
            takes_part=np.concatenate((np.ones(index.num_rows, np.bool_), takes_part[begin:end])),
        )
        survivors = choose_survivors(labels, num_indexed=index.num_rows)[index.num_rows :]
        is_old = survivors < index.num_rows
        twins = names[begin:end][np.where(is_old, 0, survivors - index.num_rows)] if begin < end else names[:0]
        twins[is_old] = index.ids(survivors[is_old])
        add_to_index(tmp_path / "index", CONFIG, keys=keys, takes_part=takes_part[begin:end], ids=twins.tolist())
        found += twins.tolist()

    is_removed = np.array(found) != names
    assert is_removed.tolist() == (together != names).tolist()
    assert 50 < is_removed.sum() < 195
    assert not is_removed[[int(name, 16) for name in found]].any()


def test_an_index_of_other_settings_is_refused(tmp_path: Path) -> None:
    keys = write_dump(tmp_path / "dump", ["a b c", "d e f"], 1)
    add_to_index(tmp_path / "index", CONFIG, keys=keys, takes_part=np.ones(2, np.bool_), ids=["1", "2"])

    with pytest.raises(RecipeError, match="made with"):
        load_index(tmp_path / "index", CONFIG.model_copy(update={"bands": 11}))
    with pytest.raises(RecipeError, match="made with"):
        load_index(tmp_path / "index", CONFIG, han=("書", "书"))
    assert load_index(tmp_path / "index", CONFIG.model_copy(update={"keep": "longest", "confirm": 0.7})).num_rows == 2


@pytest.mark.parametrize("name", ["ids.npy", "shard.json", "keys-000000.npy"])
def test_a_damaged_index_is_noticed(tmp_path: Path, name: str) -> None:
    keys = write_dump(tmp_path / "dump", ["a b c", "d e f"], 1)
    shard = add_to_index(tmp_path / "index", CONFIG, keys=keys, takes_part=np.ones(2, np.bool_), ids=["1", "2"])
    (shard / name).write_bytes((shard / name).read_bytes()[:-9])

    with pytest.raises(StoreError, match=r"damaged|not the keys"):
        load_index(tmp_path / "index", CONFIG)


def test_no_index_is_an_empty_one(tmp_path: Path) -> None:
    index = load_index(tmp_path / "none", CONFIG)

    assert (index.num_rows, index.keys, index.ids(np.empty(0, np.int64))) == (0, [], [])
