"""Classification by prompts: what a slow pass per label gives, with and without examples and calibration."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_models import rough_decoder, small_config
from small_road import END, Road

from headrace.evaluate.prompt_config import PromptConfig, fill
from headrace.evaluate.prompting import Answered, Question, choose_shots, classify_by_prompt
from headrace.models.decoder import Decoder
from headrace.models.opened import OpenedModel, open_model
from headrace.train.publish import Publication, write_model_folder

POSITIONS = 120
WORDS = {"good": " turns", "bad": " and the water", "neither": "水"}
TEXT = st.text("the mil水流🙂{}", max_size=12)
TRAIN = [Answered(Question(f"text {number}"), list(WORDS)[number % 3 if number < 6 else 0]) for number in range(9)]


def config_of(**given: Any) -> PromptConfig:
    return PromptConfig(**{"template": "Of {text} I say:", "verbalisers": WORDS, "seed": 3, **given})


@pytest.fixture(scope="module")
def opened(road: Road, tmp_path_factory: pytest.TempPathFactory) -> OpenedModel:
    folder: Path = tmp_path_factory.mktemp("model")
    write_model_folder(rough_decoder(small_config()), folder, Publication(road.tokenizer_path, END, POSITIONS))
    return open_model(folder)


def ask_slowly(opened: OpenedModel, context: str, *, per_token: bool) -> list[float]:
    """Probabilities of the labels after a context, a whole pass for each."""
    model, words = opened.model, opened.need_tokenizer()
    assert isinstance(model, Decoder)
    scores = []
    for word in WORDS.values():
        stripped = context.rstrip()
        before = words.encode(stripped, add_special_tokens=False).ids
        whole = words.encode(context + word, add_special_tokens=False).ids
        with torch.no_grad():
            logits_TV = model.logits(torch.tensor([[END, *whole]]))[0].double()
        likelihoods_TV = torch.log_softmax(logits_TV, dim=1)
        terms = [float(likelihoods_TV[place, whole[place]]) for place in range(len(before), len(whole))]
        scores.append(sum(terms) / (len(terms) if per_token else 1))
    weights = [math.exp(score - max(scores)) for score in scores]
    return [weight / sum(weights) for weight in weights]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(TEXT, min_size=1, max_size=3),
    shots=st.integers(0, 2),
    calibrate=st.booleans(),
    per_token=st.booleans(),
    instruction=st.sampled_from(["", "Judge."]),
)
def test_probabilities_are_those_of_a_pass_for_each_label(
    opened: OpenedModel, texts: list[str], shots: int, calibrate: bool, per_token: bool, instruction: str
) -> None:
    config = config_of(shots=shots, calibrate=calibrate, per_token=per_token, instruction=instruction)

    found = classify_by_prompt(opened, texts, config, train=TRAIN)

    before = instruction + "\n\n" if instruction else ""
    for shot in choose_shots(TRAIN, config):
        before += f"Of {shot.question.text} I say:{WORDS[shot.label]}\n\n"
    for row, text in zip(found.tolist(), texts, strict=True):
        wanted = ask_slowly(opened, f"{before}Of {text} I say:", per_token=per_token)
        if calibrate:
            empty = [
                ask_slowly(opened, f"{before}Of {none} I say:", per_token=per_token) for none in ("N/A", "", "[MASK]")
            ]
            wanted = [value / np.mean([one[label] for one in empty]) for label, value in enumerate(wanted)]
            wanted = [value / sum(wanted) for value in wanted]
        assert row == pytest.approx(wanted, abs=1e-4)


def test_a_text_that_says_nothing_is_any_label_after_calibration(opened: OpenedModel) -> None:
    config = config_of(calibrate=True, content_free=("N/A",))

    assert classify_by_prompt(opened, ["N/A"], config)[0].tolist() == pytest.approx([1 / 3] * 3)


def test_shots_are_drawn_by_the_seed_and_balanced() -> None:
    chosen = choose_shots(TRAIN, config_of(shots=6))

    assert chosen == choose_shots(TRAIN, config_of(shots=6))
    assert sorted(shot.label for shot in chosen) == sorted(2 * list(WORDS))
    assert len({shot.question for shot in choose_shots(TRAIN, config_of(shots=9))}) == 9
    assert {tuple(choose_shots(TRAIN, config_of(shots=3, seed=seed))) for seed in range(9)} != {tuple(chosen[:3])}


def test_a_long_text_is_shortened_and_the_question_stays(opened: OpenedModel) -> None:
    long, longer = ("water " * 200, "water " * 300)

    found = classify_by_prompt(opened, [long, longer], config_of())

    assert found[0].tolist() == found[1].tolist()


def test_what_looks_like_a_field_in_a_text_stays_text() -> None:
    assert fill("{{{text}}} / {text_pair}", text="{text_pair}", text_pair="{text}") == "{{text_pair}} / {text}"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"template": "no field"}, "must have {text}"),
        ({"template": "{text.__class__}"}, "wanted {text} or {text_pair}"),
        ({"template": "{text!r}"}, "wanted {text} or {text_pair}"),
        ({"template": "{text} {0}"}, "wanted {text} or {text_pair}"),
        ({"template": "{text} }"}, "stands alone"),
        ({"verbalisers": {"a": " x"}}, "at least 2"),
        ({"verbalisers": {"a": " x", "b": " x"}}, "are the same"),
        ({"verbalisers": {"a": " x", "b": " "}}, "is empty"),
    ],
    ids=str,
)
def test_a_config_that_makes_no_sense_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        config_of(**given)


@pytest.mark.parametrize(
    ("given", "train", "told"),
    [
        ({"shots": 10}, TRAIN, "10 shots are wanted"),
        ({"shots": 1}, [Answered(Question("x"), "other")], "'other'"),
        ({"instruction": "x " * 200}, [], "without any text"),
    ],
    ids=["few examples", "another label", "no room"],
)
def test_what_cannot_be_asked_is_refused(
    opened: OpenedModel, given: dict[str, Any], train: list[Answered], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        classify_by_prompt(opened, ["x"], config_of(**given), train=train)
