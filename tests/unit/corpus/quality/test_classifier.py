"""The classifier learns what it is shown, and says the same after a rest on disk."""

import json
import math
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.corpus.arrays import DESCRIPTION
from headrace.corpus.quality.classifier import LinearModel, train_classifier
from headrace.corpus.quality.classifier_kernels import Features, find_features, probability_of
from headrace.corpus.quality.config import ClassifierConfig
from headrace.corpus.quality.symbols import Symbols, character_kinds
from headrace.corpus.texts import Texts
from headrace.errors import InputError

WORDS = "water wheel channel turns fast mill brings river grain stone bread miller".split()
CONFIG = ClassifierConfig(bucket_bits=14)


def write(source: random.Random, *, sense: bool) -> str:
    """A text; without sense, some letters of every other word are exchanged."""
    words = source.choices(WORDS, k=40)
    if not sense:
        words = [word[::-1] if source.random() < 0.5 else word for word in words]
    return " ".join(words)


def examples(seed: int, *, sense: bool) -> Texts:
    source = random.Random(seed)
    return Texts.from_strings([write(source, sense=sense) for _ in range(80)])


@pytest.fixture(scope="module")
def model() -> LinearModel:
    return train_classifier(examples(1, sense=True), examples(2, sense=False), CONFIG, seed=3)


def test_what_was_shown_is_told_apart_elsewhere(model: LinearModel) -> None:
    good, bad = model.score(examples(11, sense=True)), model.score(examples(12, sense=False))

    assert good.min() > 0.5 > bad.max()
    assert model.figures.auroc == 1.0
    assert (model.figures.num_good, model.figures.num_bad) == (8, 8)


def test_the_order_of_characters_tells_where_scripts_have_no_spaces() -> None:
    source = random.Random(5)
    poem = "白日依山尽黄河入海流欲穷千里目更上一层楼"
    good = [poem * source.randint(1, 3) for _ in range(50)]
    bad = ["".join(source.sample(poem, len(poem))) for _ in range(50)]
    model = train_classifier(Texts.from_strings(good), Texts.from_strings(bad), CONFIG, seed=1)

    assert model.figures.auroc == 1.0


def test_training_repeats_bit_for_bit_and_depends_on_the_seed(model: LinearModel) -> None:
    again, other = (
        train_classifier(examples(1, sense=True), examples(2, sense=False), CONFIG, seed=seed) for seed in (3, 4)
    )

    assert again.weights.tobytes() == model.weights.tobytes()
    assert other.weights.tobytes() != model.weights.tobytes()


def test_a_saved_model_scores_as_before(model: LinearModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    loaded = LinearModel.load(tmp_path / "model")
    texts = examples(7, sense=False)

    assert loaded.score(texts).tobytes() == model.score(texts).tobytes()
    assert (loaded.config, loaded.figures) == (model.config, model.figures)


def test_a_model_of_another_format_is_refused(model: LinearModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    path = tmp_path / "model" / DESCRIPTION
    description = json.loads(path.read_text())
    description["facts"]["format"] = "another"
    path.write_text(json.dumps(description))

    with pytest.raises(InputError, match='"another"'):
        LinearModel.load(tmp_path / "model")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=5), st.integers(0, 2))
def test_a_text_scores_alike_alone_and_in_a_batch(model: LinearModel, texts: list[str], skipped: int) -> None:
    whole = Texts.from_strings(texts)
    part = Texts(whole.data, whole.offsets[min(skipped, len(texts)) :])
    alone = [float(model.score(Texts.from_strings([text]))[0]) for text in part]

    assert model.score(part).tolist() == alone
    assert all(0 <= score <= 1 for score in alone)


@settings(max_examples=50, deadline=None)
@given(st.text("ab c水路.\n", max_size=30), st.integers(1, 3), st.integers(0, 8))
def test_there_are_as_many_features_as_runs(text: str, order: int, run_bytes: int) -> None:
    data = np.frombuffer(text.encode(), np.uint8)
    room = Symbols.room_for(len(data))
    features = Features(order, run_bytes, 256, character_kinds(), room, np.empty(5 * len(data) + 9, np.uint32))
    num = find_features(data, 0, len(data), features)
    symbols = re.findall(r"[abc]+|[水路.]|\n[ \n]*", text)
    runs = sum(min(index + 1, order + (symbol in "水路")) for index, symbol in enumerate(symbols))

    assert num == runs + max(0, len(data) - run_bytes + 1) * (run_bytes > 0)
    assert num == 0 or features.buckets[:num].max() < features.num_buckets


def test_a_probability_is_the_logistic_function_of_what_the_features_add_up_to() -> None:
    weights = np.array([0.5, -1.0, 2.0, 0.25], np.float32)
    buckets = np.array([0, 2, 2, 1], np.uint32)

    assert probability_of(weights, buckets) == pytest.approx(1 / (1 + math.exp(-(0.25 + 3.5 / 2))))


def test_too_few_examples_are_refused() -> None:
    few = Texts.from_strings(["one"] * 3)
    with pytest.raises(InputError, match="got 3 and 80"):
        train_classifier(few, examples(1, sense=True), CONFIG, seed=1)
