"""Near documents go, each for one that stays, and an ONNX model gives the vectors."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from headrace.corpus.deduplicate.embeddings import Embeddings, embed
from headrace.corpus.deduplicate.encoders import OnnxEncoder, Vectors
from headrace.corpus.deduplicate.meaning import Twins, find_twins
from headrace.corpus.deduplicate.neighbours import MOST_NEIGHBOURS
from headrace.corpus.deduplicate.text_config import MeaningConfig
from headrace.corpus.texts import Texts
from headrace.errors import InputError

PLENTY = 1 << 30
REAL_ENCODER = os.environ.get("HEADRACE_ENCODER")


def letters(texts: list[str]) -> Vectors:
    """An encoder: how often each of a few letters occurs."""
    return np.array([[text.count(letter) for letter in "abcdefgh"] for text in texts], np.float32).reshape(-1, 8)


def make_config(**changes: Any) -> MeaningConfig:
    return MeaningConfig.model_validate({"encoder": "encoder", "similarity": 0.95, **changes})


def search(folder: Path, texts: list[str], *, per_unit: int = 100, priorities: Any = None, **changes: Any) -> Twins:
    files = []
    for begin in range(0, len(texts), per_unit):
        files.append(folder / f"{begin}.npy")
        embed(Texts.from_strings(texts[begin : begin + per_unit]), letters, files[-1])
    return find_twins(files, make_config(**changes), seed=3, memory_limit_bytes=PLENTY, priorities=priorities)


def oracle(vectors: Vectors, similarity: float) -> list[int]:
    """Each document in turn goes if one that stays is near enough, for the nearest of them."""
    twins: list[int] = []
    for document, vector in enumerate(vectors):
        cosines = vectors[:document] @ vector
        near = [n for n in range(document) if twins[n] < 0 and cosines[n] >= similarity - 1e-6]
        twins.append(max(near, key=lambda n: cosines[n]) if near else -1)
    return twins


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(st.text("abcdefgh", max_size=12), max_size=MOST_NEIGHBOURS), per_unit=st.integers(1, 40))
def test_what_goes_is_what_comparing_all_says(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], per_unit: int
) -> None:
    folder = tmp_path_factory.mktemp("embeddings")

    found = search(folder, texts, per_unit=per_unit)

    files = sorted(folder.iterdir(), key=lambda file: int(file.stem))
    assert found.twins.tolist() == oracle(Embeddings(files)[np.arange(len(texts))], 0.95)
    assert ((found.similarities >= 0.95 - 1e-6) == (found.twins >= 0)).all()


def test_a_chain_of_neighbours_keeps_every_second_link(tmp_path: Path) -> None:
    chain = ["a" * (10 - n) + "b" * n for n in range(5)]

    found = search(tmp_path, chain, similarity=0.98)

    assert found.twins.tolist() == [-1, 0, -1, 2, -1]


def test_who_stays_can_be_chosen(tmp_path: Path) -> None:
    texts = ["aaab", "aaaab", "aaaaab", "aaaaaab"]

    assert search(tmp_path, texts, similarity=0.9).twins.tolist() == [-1, 0, 0, 0]
    assert search(tmp_path, texts, similarity=0.9, priorities=np.array([1, 1, 5, 2])).twins.tolist() == [2, 2, -1, 2]
    assert search(tmp_path, texts, similarity=0.9, keep="hard").twins.tolist() == [-1, 0, 0, 0]
    assert search(tmp_path, texts, similarity=0.9, keep="easy").twins[2]


def test_equal_documents_are_near_at_similarity_one(tmp_path: Path) -> None:
    assert search(tmp_path, ["abc", "abd", "abc"], similarity=1.0).twins.tolist() == [-1, -1, 0]


def test_documents_without_a_vector_are_near_to_nothing(tmp_path: Path) -> None:
    assert search(tmp_path, ["xyz", "", "xyz"]).twins.tolist() == [-1, -1, -1]


def near_copies(num: int, seed: int) -> Vectors:
    """Random directions, each followed by a near copy of it."""
    generator = np.random.default_rng(seed)
    originals = generator.normal(size=(num, 32)) + 2 * generator.normal(size=(20, 32))[generator.integers(0, 20, num)]
    copies = originals + 0.2 * generator.normal(size=originals.shape)
    return np.stack((originals, copies), axis=1).reshape(-1, 32).astype(np.float32)


def test_clusters_miss_few_pairs_and_repeat_themselves(tmp_path: Path) -> None:
    vectors = near_copies(3_000, 1)
    files = [tmp_path / "0.npy", tmp_path / "1.npy"]
    for file, part in zip(files, (vectors[:3_500], vectors[3_500:]), strict=True):
        embed(
            Texts.from_strings([str(n) for n in range(len(part))]),
            lambda texts, p=part: p[[int(t) for t in texts]],
            file,
        )

    whole, clustered, again = (
        find_twins(files, make_config(num_clusters=num), seed=5, memory_limit_bytes=limit)
        for num, limit in ((1, PLENTY), (80, PLENTY), (80, PLENTY))
    )

    pairs = (whole.twins >= 0).sum()
    assert pairs > 2_900
    assert (clustered.twins >= 0).sum() > 0.98 * pairs
    assert clustered.twins.tolist() == again.twins.tolist()
    assert len(np.unique(clustered.clusters)) > 60


def test_tasks_may_be_done_elsewhere_and_in_any_order(tmp_path: Path) -> None:
    vectors = near_copies(500, 4)
    file = tmp_path / "0.npy"
    embed(Texts.from_strings([str(n) for n in range(1_000)]), lambda texts: vectors[[int(t) for t in texts]], file)

    def elsewhere(function: Any, items: Any) -> Any:
        tasks = pickle.loads(pickle.dumps(list(items)))
        return iter([function(task) for task in reversed(tasks)][::-1])

    config = make_config(num_clusters=9)
    here, there = (
        find_twins([file], config, seed=5, memory_limit_bytes=PLENTY, map_function=function)
        for function in (map, elsewhere)
    )
    assert here.twins.tolist() == there.twins.tolist()


def test_a_tenth_of_the_memory_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "0.npy"
    vectors = near_copies(1_000, 2)
    embed(Texts.from_strings([str(n) for n in range(2_000)]), lambda texts: vectors[[int(t) for t in texts]], file)

    found = find_twins([file], make_config(num_clusters=20), seed=5, memory_limit_bytes=20_000)

    assert (found.twins >= 0).sum() > 950


@pytest.mark.parametrize("vectors", [np.zeros(3), np.zeros((2, 4)), np.full((1, 4), np.nan)])
def test_an_encoder_that_gives_something_else_is_refused(tmp_path: Path, vectors: Any) -> None:
    with pytest.raises(InputError, match="want a finite vector for each of 1 texts"):
        embed(Texts.from_strings(["x"]), lambda texts: vectors, tmp_path / "0.npy")


def test_vectors_of_two_encoders_are_not_mixed(tmp_path: Path) -> None:
    for width in (3, 4):
        embed(Texts.from_strings(["x"]), lambda texts, w=width: np.ones((1, w), np.float32), tmp_path / f"{width}.npy")

    with pytest.raises(InputError, match="embeddings of 3 and 4 dimensions are mixed"):
        Embeddings([tmp_path / "3.npy", tmp_path / "4.npy"])


VOCABULARY = {"[UNK]": 0, "a": 1, "b": 2, "c": 3}


def write_model(folder: Path) -> None:
    """A model whose token vectors are rows of a table: one-hot."""
    onnx = pytest.importorskip("onnx", reason="the package onnx makes the model of this test")
    tokenizer = Tokenizer(WordLevel(VOCABULARY, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    table = onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "table")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gather", ["table", "input_ids"], ["vectors"])],
        "lookup",
        [onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["b", "t"])],
        [onnx.helper.make_tensor_value_info("vectors", onnx.TensorProto.FLOAT, ["b", "t", 4])],
        [table],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")


def test_an_onnx_model_gives_the_mean_of_its_token_vectors(tmp_path: Path) -> None:
    write_model(tmp_path)
    encoder = OnnxEncoder(tmp_path)

    vectors = encoder(["a b", "c", "", "a a a b c c", "x"])

    expected = [[0, 0.5, 0.5, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 3 / 6, 1 / 6, 2 / 6], [1, 0, 0, 0]]
    assert vectors == pytest.approx(np.array(expected))


def test_pooling_and_length_are_the_users(tmp_path: Path) -> None:
    write_model(tmp_path)

    assert OnnxEncoder(tmp_path, pooling="first")(["b a a"]).tolist() == [[0, 0, 1, 0]]
    assert OnnxEncoder(tmp_path, max_tokens=1)(["c a a"]).tolist() == [[0, 0, 0, 1]]


def test_an_encoder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"want tokenizer\.json and model\.onnx or onnx/model\.onnx"):
        OnnxEncoder(tmp_path)


PARAPHRASES = [
    ("Water freezes at zero degrees Celsius.", "At 0 °C, water turns into ice."),
    ("He bought a new car yesterday.", "Yesterday he purchased a brand-new automobile."),
    ("The doctor told her to stop smoking.", "She was advised by her physician to give up cigarettes."),
]


@pytest.mark.slow
@pytest.mark.skipif(REAL_ENCODER is None, reason="HEADRACE_ENCODER names no encoder (benchmarks/export_encoder.py)")
def test_a_real_encoder_finds_paraphrases_that_share_no_words(tmp_path: Path) -> None:
    assert REAL_ENCODER is not None
    texts = [text for pair in PARAPHRASES for text in pair]
    file = tmp_path / "0.npy"
    embed(Texts.from_strings(texts), OnnxEncoder(Path(REAL_ENCODER)), file)

    found = find_twins([file], make_config(similarity=0.7), seed=1, memory_limit_bytes=PLENTY)

    assert found.twins.tolist() == [-1, 0, -1, 2, -1, 4]
