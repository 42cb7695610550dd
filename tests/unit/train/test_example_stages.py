"""Stages that learn from examples: what is published says what training measured, here and in transformers."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import small_config, small_stage, train_and_listen, train_until
from small_road import Road
from small_tasks import examples_of, write_project

from headrace.errors import InputError, UserError
from headrace.examples import ExamplesConfig
from headrace.examples.example_set import ExampleSet
from headrace.models.hugging_face import load_model, read_config
from headrace.models.task_folder import load_task_model
from headrace.parallel import Group
from headrace.pipeline.examples_step import make_examples
from headrace.serve.predictor import Predictor
from headrace.store import Artefact
from headrace.tokens.batch import IGNORED
from headrace.train.config import ValidationConfig
from headrace.train.given import Stage
from headrace.train.metrics import read_metrics
from headrace.train.stage import train_stage

BERT = {
    "shape": "encoder",
    "norm": "layer",
    "norm_place": "post",
    "positions": "learned",
    "max_positions": 256,
    "activation": "gelu",
    "gated": False,
    "qkv_bias": True,
    "output_bias": True,
    "feed_forward_bias": True,
    "kv_heads": 4,
    "embedding_norm": True,
    "token_types": 2,
    "head_transform": True,
    "head_bias": True,
    "pooler": True,
}
T5 = {
    "shape": "encoder_decoder",
    "positions": "relative",
    "attention_scale": 1.0,
    "activation": "relu",
    "gated": False,
    "kv_heads": 4,
    "norm_epsilon": 1e-6,
}
ROAD_ONLY = {"tokens": None, "learning_rate": 1e-2, "warm_up": 0.1}
WATCH_EVERY_STEP = ValidationConfig(per_epoch=1_000)
MakeStage = Callable[..., Stage]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"), count=40)


@pytest.fixture
def stage_of(road: Road, project: Path, tmp_path: Path) -> MakeStage:
    """A stage of 10 steps of 8 examples over one of the project's files, working in a folder of that name."""

    def make(
        kind: str, objective: Any, *, folder: str = "stage", model: dict[str, Any] | None = None, **given: Any
    ) -> Stage:
        config = ExamplesConfig.model_validate(examples_of(kind, test=None), strict=False)
        examples = make_examples(config, folder=project, seed=1, store=road.store)
        initial = given.pop("initial", None)
        batch = {"global_batch_examples": 8, "epochs": 10 * 8 / 32, "global_batch_tokens": 16_384}
        settings = {**ROAD_ONLY, **batch, "objective": objective, **given}
        stage = small_stage(road, tmp_path / folder, model=small_config(**(model or {})), **settings)
        return replace(stage, tokens=None, examples=examples, initial=initial)

    return make


def losses_of(stage: Stage) -> list[float]:
    return [r["loss"] for r in read_metrics(stage.workspace.output / "metrics.jsonl") if r["kind"] == "train"]


def first_validation_loss(stage: Stage) -> float:
    records = read_metrics(stage.workspace.output / "metrics.jsonl")
    return next(float(record["loss"]) for record in records if record["kind"] == "validation")


def held_out(stage: Stage) -> Any:
    assert stage.examples is not None
    return ExampleSet(stage.examples.path).split("validation")


def published(stage: Stage) -> tuple[bytes, list[tuple[str, int, float]]]:
    records = read_metrics(stage.workspace.output / "metrics.jsonl")
    weights = (stage.workspace.output / "model.safetensors").read_bytes()
    return weights, [(record["kind"], record["step"], record.get("loss", 0.0)) for record in records]


def measured_again(predictor: Predictor, stage: Stage) -> tuple[float, float]:
    """The held-out loss and the share that is right, by the published folder alone."""
    table = held_out(stage)
    encoded = predictor.encode(table)
    if stage.config.objective.name == "classify":
        chances, labels = predictor.class_probabilities(encoded), encoded.labels
        assert labels is not None
        if labels.ndim == 2:
            losses = -(labels * np.log(chances) + (1 - labels) * np.log1p(-chances)).sum(1)
            return float(losses.mean()), float(((chances > 0.5) == (labels > 0)).all(1).mean())
        return float(-np.log(chances[np.arange(len(labels)), labels]).mean()), float(
            (chances.argmax(1) == labels).mean()
        )
    if stage.config.objective.name == "tag":
        told = predictor.tags(encoded, [len(words) for words in table["tokens"].to_pylist()])
        pairs = [
            pair
            for ours, true in zip(told, table["tags"].to_pylist(), strict=True)
            for pair in zip(ours, true, strict=True)
        ]
        return math.nan, float(np.mean([ours == true for ours, true in pairs]))
    likelihood = predictor.log_likelihoods(encoded)
    return float(-likelihood.sum() / (encoded.inputs.targets != IGNORED).sum()), math.nan


CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "classes, BERT": ("classify", "classify", BERT),
    "classes, Llama": ("classify", {"name": "classify", "head_dropout": 0.0}, {}),
    "classes by the mean": ("classify", "classify", {"shape": "encoder"}),
    "several labels": ("many", "classify", BERT),
    "tags, BERT": ("tag", "tag", BERT),
    "tags, Llama": ("tag", "tag", {}),
    "translation, T5": ("seq2seq", "seq2seq", T5),
    "translation by a decoder": ("seq2seq", "seq2seq", {}),
    "answers": ("instruct", "instruct", {}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_published_says_what_training_measured(name: str, stage_of: MakeStage) -> None:
    kind, objective, model = CASES[name]
    stage = stage_of(kind, objective, model=model, validation=WATCH_EVERY_STEP)

    summary, _ = train_and_listen(stage)

    losses = losses_of(stage)
    assert min(losses[3:]) < losses[0]
    best = next(
        record
        for record in read_metrics(stage.workspace.output / "metrics.jsonl")
        if record["kind"] == "validation" and record["step"] == summary["best_step"]
    )
    loss, accuracy = measured_again(Predictor(stage.workspace.output), stage)
    assert math.isnan(loss) or loss == pytest.approx(best["loss"], rel=1e-4)
    assert math.isnan(accuracy) or accuracy == pytest.approx(best["accuracy"])
    check_in_transformers(name, stage)


def check_in_transformers(name: str, stage: Stage) -> None:
    """The same logits where a family of transformers has such a model; its tokenizer begins texts as training did."""
    from transformers import AutoTokenizer

    folder = stage.workspace.output
    foreign, table = read_config(folder), held_out(stage)
    if foreign["model_type"] == "headrace":
        assert name == "classes by the mean"
        assert "headrace predict" in (folder / "README.md").read_text(encoding="utf-8")
        return
    predictor = Predictor(folder)
    encoded = predictor.encode(table)
    ids = torch.from_numpy(encoded.inputs.tokens[: encoded.inputs.bounds[1]].astype(np.int64))[None]
    objective = stage.config.objective.name
    if objective == "classify":
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert tokenizer(table["text"][0].as_py())["input_ids"] == ids[0].tolist()
    twin = twin_of(folder, objective)
    with torch.no_grad():
        if objective == "classify":
            logits = twin(input_ids=ids).logits.double()
            chances = logits.sigmoid() if predictor.is_multi_label else logits.softmax(1)
            assert chances[0].numpy() == pytest.approx(predictor.class_probabilities(encoded)[0], abs=1e-5)
        elif objective == "tag":
            task = load_task_model(folder)
            assert twin.config.id2label == dict(enumerate(task.labels))
            tags = twin(input_ids=ids).logits[0].argmax(1)
            asked = encoded.inputs.targets[: encoded.inputs.bounds[1]] != IGNORED
            ours = predictor.tags(encoded, [len(words) for words in table["tokens"].to_pylist()])[0]
            assert [task.labels[tag] for tag in tags[asked]] == ours
        else:
            model, _ = load_model(folder)
            model.eval()
            if objective == "seq2seq" and encoded.sources is not None:
                source = torch.from_numpy(encoded.sources.tokens[: encoded.sources.bounds[1]].astype(np.int64))[None]
                assert twin.config.decoder_start_token_id == ids[0, 0]
                ours, theirs = model.logits(source, ids), twin(input_ids=source, decoder_input_ids=ids).logits
            else:
                ours, theirs = model.logits(ids), twin(input_ids=ids).logits
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def twin_of(folder: Path, objective: str) -> Any:
    import transformers

    kinds = {
        "classify": "AutoModelForSequenceClassification",
        "tag": "AutoModelForTokenClassification",
        "seq2seq": "AutoModelForSeq2SeqLM" if "T5" in (folder / "config.json").read_text() else "AutoModelForCausalLM",
        "instruct": "AutoModelForCausalLM",
    }
    return getattr(transformers, kinds[objective]).from_pretrained(folder).eval()


ADAPTERS: dict[str, dict[str, Any]] = {
    "lora": {"lora": {"rank": 2, "dropout": 0.1}},
    "adalora": {"adalora": {"first_rank": 3, "rank": 2, "every_steps": 2, "warm_up": 0.2}},
    "prompt": {"prompt": {"tokens": 3}},
    "bottleneck": {"bottleneck": {"width": 4}},
}
NOISY = {"dropout": 0.1}


@pytest.mark.parametrize("adapter", [None, "lora", "adalora"])
def test_a_stage_that_was_stopped_ends_as_if_it_had_not_been(adapter: str | None, stage_of: MakeStage) -> None:
    given: dict[str, Any] = {"validation": WATCH_EVERY_STEP, "model": NOISY}
    if adapter:
        given["adapter"] = ADAPTERS[adapter]
    train_and_listen(whole := stage_of("classify", "classify", folder="whole", **given))
    for step in (3, 7):
        train_until(stage_of("classify", "classify", folder="cut", **given), step=step)

    _, told = train_and_listen(cut := stage_of("classify", "classify", folder="cut", **given))

    assert [record["name"] for record in told if record["name"] == "resumed"] == ["resumed"]
    assert published(cut) == published(whole)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("kind", ["classify", "instruct"])
def test_an_adapter_learns_and_is_used_where_it_was_put(kind: str, adapter: str, stage_of: MakeStage) -> None:
    given: dict[str, Any] = {"validation": WATCH_EVERY_STEP, "adapter": ADAPTERS[adapter], "learning_rate": 0.01}
    stage = stage_of(kind, kind, **given)

    summary, _ = train_and_listen(stage)

    losses, folder = losses_of(stage), stage.workspace.output
    assert len(set(losses)) == len(losses)
    assert summary["best_validation_loss"] < first_validation_loss(stage)
    assert summary["trained_parameters"] < 0.5 * summary["parameters"]
    assert (folder / "adapter" / "adapter_config.json").is_file()
    assert summary.get("merged", False) == (adapter in ("lora", "adalora"))
    if summary.get("merged"):
        assert summary["drift"]["fp32"]["largest"] < 1e-3
    loss, _ = measured_again(Predictor(folder), stage)
    assert loss == pytest.approx(summary["best_validation_loss"], rel=1e-3)


def test_preferences_are_learnt_from_the_model_that_the_stage_began_with(stage_of: MakeStage) -> None:
    first = stage_of("instruct", "instruct", folder="first")
    train_stage(first, Group())
    before = Artefact(first.workspace.output)

    for name, adapter in (("all weights", None), ("adapter", ADAPTERS["lora"])):
        stage = stage_of("prefer", "prefer", folder=name, initial=before, adapter=adapter, validation=WATCH_EVERY_STEP)
        summary, _ = train_and_listen(stage)
        losses = losses_of(stage)
        assert losses[0] == pytest.approx(math.log(2), rel=0.05)
        assert losses[-1] < losses[0]
        after, earlier = (
            Predictor(path, objective=stage.config.objective) for path in (stage.workspace.output, before.path)
        )
        encoded = after.encode(held_out(stage))
        change = after.log_likelihoods(encoded) - earlier.log_likelihoods(encoded)
        margins = 0.1 * (change[0::2] - change[1::2])
        loss = float(np.log1p(np.exp(-margins)).mean())
        assert loss == pytest.approx(summary["best_validation_loss"], rel=1e-3)


def test_a_stage_goes_on_with_the_head_of_the_one_before(stage_of: MakeStage) -> None:
    first = stage_of("classify", "classify", folder="first", epochs=10.0)
    train_stage(first, Group())
    initial = Artefact(first.workspace.output)

    again = stage_of("classify", "classify", folder="again", initial=initial)
    others = stage_of("many", "classify", folder="others", initial=initial)
    for stage in (again, others):
        train_stage(stage, Group())

    assert losses_of(again)[0] < 0.5 * losses_of(first)[0]
    assert losses_of(others)[0] == pytest.approx(2 * math.log(2), rel=0.5)


@pytest.mark.parametrize(
    ("kind", "objective", "given", "message"),
    [
        ("classify", "tag", {}, "their columns are those of classify, and the objective tag learns from tag"),
        (
            "classify",
            {"name": "classify", "class_weights": {"good": 1.0, "bad": 1.0, "best": 2.0}},
            {},
            "class_weights: best: wanted a weight for each of",
        ),
        ("seq2seq", "seq2seq", {"model": T5, "adapter": {"prefix": {"tokens": 2}}}, "prefix does not go with"),
    ],
)
def test_examples_that_do_not_suit_are_refused(
    kind: str, objective: Any, given: dict[str, Any], message: str, stage_of: MakeStage
) -> None:
    with pytest.raises((InputError, UserError), match=message):
        train_stage(stage_of(kind, objective, **given), Group())
