"""Models of transformers in the training loop: they learn, resume, are published and used."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
import transformers
from small_foreign import MODELS, save_small
from small_models import small_stage, train_and_listen, train_until
from small_road import Road, build_road
from torch import nn

from headrace.errors import InputError
from headrace.examples import ExamplesConfig
from headrace.models.foreign import ForeignConfig
from headrace.models.foreign.folder import describe_folder, load_foreign
from headrace.pipeline.examples_step import make_examples
from headrace.serve.predictor import Predictor
from headrace.store import Artefact, Store
from headrace.tokens.config import VocabularyConfig
from headrace.train.given import Stage
from headrace.train.hidden_matrices import hidden_matrices

SPECIAL = ("<pad>", "</s>", "<mask>", *(f"<extra_id_{number}>" for number in reversed(range(9))))
OBJECTIVES = {"encoder": "masked", "decoder": "causal", "encoder_decoder": "full_denoising"}


@pytest.fixture(scope="module")
def special_road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """The small road with tokens for masks."""
    words = VocabularyConfig(train=400, special_tokens=SPECIAL)
    return build_road(tmp_path_factory.mktemp("road"), vocabulary=words)


def stage_of(kind: str, road: Road, folder: Path, **given: Any) -> Stage:
    """A stage that goes on from a small model of a kind, with all of transformers' usual dropout."""
    if not (folder / "given").exists():
        save_small(kind, folder / "given", tokenizer=road.tokenizer_path)
    model = describe_folder(folder / "given")
    stage = small_stage(road, folder, **{"objective": OBJECTIVES[model.shape], **given})
    return replace(stage, model=model, initial=Artefact(folder / "given"))


@pytest.mark.parametrize("kind", ["opt", "gpt_neox", "gemma2", "roberta", "bart"])
def test_it_learns_in_the_same_loop_and_is_published_for_transformers(
    kind: str, special_road: Road, tmp_path: Path
) -> None:
    stage = stage_of(kind, special_road, tmp_path, learning_rate=1e-2)

    summary, told = train_and_listen(stage)

    losses = [record["loss"] for record in told if record["name"] == "train_metrics"]
    assert losses[-1] < losses[0] - 0.3
    output = stage.workspace.output
    known, ours = getattr(transformers, MODELS[kind][0]).from_pretrained(output), load_foreign(output)
    token_1T = torch.randint(2, 400, (1, 9))
    with torch.no_grad():
        assert torch.equal(known(input_ids=token_1T).logits, ours.inner(input_ids=token_1T).logits)
    assert json.loads((output / "config.json").read_text())["architectures"] == [MODELS[kind][0]]
    assert (output / "tokenizer.json").read_bytes() == special_road.tokenizer_path.read_bytes()
    assert isinstance(stage.model, ForeignConfig)
    assert summary["parameters"] == stage.model.parameters
    assert stage.model.family in (output / "README.md").read_text()


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(special_road: Road, tmp_path: Path) -> None:
    for name in ("whole", "halves"):
        stage = stage_of("roberta", special_road, tmp_path / name)
        if name == "halves":
            train_until(stage, step=5)
            stage = stage_of("roberta", special_road, tmp_path / name)
        train_and_listen(stage)

    whole, halves = ((tmp_path / name / "output" / "model.safetensors").read_bytes() for name in ("whole", "halves"))
    assert whole == halves
    before = load_foreign(tmp_path / "whole" / "output")
    following = replace(
        stage_of("roberta", special_road, tmp_path / "whole" / "next", learning_rate=1e-9),
        initial=Artefact(tmp_path / "whole" / "output"),
    )
    train_and_listen(following)
    after = load_foreign(following.workspace.output)
    for one, other in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_muon_takes_the_matrices_inside(tmp_path: Path) -> None:
    save_small("bart", tmp_path)
    model = load_foreign(tmp_path)

    found = hidden_matrices(model)

    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert set(found) == linear - {"inner.lm_head.weight"}
    assert all(
        dict(model.named_parameters())[name].shape[0] == rows.stop - rows.start for name, (rows,) in found.items()
    )


@pytest.mark.parametrize(
    ("kind", "given", "sentence"),
    [
        ("opt", {"adapter": {"lora": {"rank": 2}}}, "leave out adapter"),
        ("opt", {"compile": "on"}, "leave out compile: on"),
        ("opt", {"objective": "masked"}, "its shape is decoder, and masked is for encoder"),
        ("opt", {"objective": "prefix_lm"}, "cannot see a prefix"),
        ("roberta", {"objective": "causal"}, "its shape is encoder, and causal is for decoder"),
    ],
    ids=str,
)
def test_what_it_cannot_learn_is_refused(
    kind: str, given: dict[str, Any], sentence: str, special_road: Road, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        train_and_listen(stage_of(kind, special_road, tmp_path, **given))


@pytest.mark.parametrize(("kind", "objective"), [("bart", "seq2seq"), ("gpt_neox", "instruct"), ("opt", "prefer")])
def test_it_learns_from_examples_and_answers(kind: str, objective: str, special_road: Road, tmp_path: Path) -> None:
    examples = write_examples(objective, tmp_path)
    limits = {"objective": {"name": objective, "max_tokens": 64}, "global_batch_examples": 16, "epochs": 6}
    stage = stage_of(kind, special_road, tmp_path, tokens=None, **limits)

    _, told = train_and_listen(replace(stage, examples=examples))

    losses = [record["loss"] for record in told if record["name"] == "train_metrics"]
    assert losses[-1] < 0.5 * losses[0]
    predictor = Predictor(stage.workspace.output)
    assert predictor.objective.name == objective
    if objective == "seq2seq":
        assert predictor.write(pa.table({"source": [f"what turns the mill {number}" for number in (3, 77)]})) == ANSWER
    elif objective == "instruct":
        asked = [[{"role": "user", "content": f"what turns the mill {number}"}] for number in (3, 77)]
        assert predictor.answer(asked, max_tokens=8) == ANSWER


ANSWER = ["the river", "the river"]


def write_examples(kind: str, folder: Path) -> Artefact:
    """Sixty questions that have the same answer."""
    names = {"seq2seq": ("source", "target"), "instruct": ("prompt", "answer"), "prefer": ("prompt", "chosen")}
    question, answer = names[kind]
    records = [{question: f"what turns the mill {number}", answer: "the river"} for number in range(60)]
    if kind == "prefer":
        records = [{**record, "rejected": "the sea"} for record in records]
    (folder / "examples.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    config = ExamplesConfig.model_validate({"train": "examples.jsonl", "validation": 0.2}, strict=False)
    return make_examples(config, folder=folder, seed=1, store=Store(folder / "store"))
