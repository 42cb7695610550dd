"""A stage from tokens to a published model: what is learnt, when it stops, which weights come out."""

import logging
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_models import STEP_TOKENS, small_config, small_stage, train_and_listen, train_until
from small_road import END, ROW_TOKENS, MakeRoad, Road
from torch.nn import functional

from headrace.errors import DivergenceError, InputError
from headrace.models.hugging_face import load_decoder
from headrace.parallel import Group
from headrace.store import Artefact
from headrace.tokens import TokenStore
from headrace.tokens.config import VocabularyConfig
from headrace.train.config import ValidationConfig
from headrace.train.metrics import read_metrics
from headrace.train.numerics import Numerics
from headrace.train.stage import train_stage

WATCH_EVERY_STEP = ValidationConfig(per_epoch=1_000)
HASTY = {"learning_rate": 0.3, "warm_up": 0.0, "tokens": 40 * STEP_TOKENS, "micro_batch_tokens": ROW_TOKENS}
PATIENT = ValidationConfig(per_epoch=1_000, patience=3)


def held_out_loss(folder: Path, road: Road) -> float:
    """Mean negative log-likelihood of the held-out tokens, one piece of a document at a time."""
    decoder, store = load_decoder(folder), TokenStore(road.tokens, "validation")
    total = 0.0
    for number in range(store.num_documents):
        ids = [END, *store.document(number).tolist()]
        for start in range(0, len(ids) - 1, ROW_TOKENS):
            piece = torch.tensor(ids[start : start + ROW_TOKENS + 1])
            with torch.no_grad():
                total += float(
                    functional.cross_entropy(decoder.logits(piece[None, :-1])[0], piece[1:], reduction="sum")
                )
    return total / float(store.lengths.sum())


def test_a_stage_learns_and_its_summary_says_what_its_records_say(road: Road, tmp_path: Path) -> None:
    stage = small_stage(road, tmp_path, tokens=30 * STEP_TOKENS, validation=WATCH_EVERY_STEP)

    summary, told = train_and_listen(stage)
    records = list(read_metrics(stage.workspace.output / "metrics.jsonl"))
    losses = [record["loss"] for record in records if record["kind"] == "train"]
    watched = [record["loss"] for record in records if record["kind"] == "validation"]

    assert losses[0] == pytest.approx(math.log(400), abs=0.2)
    assert losses[-1] < 0.8 * losses[0]
    assert (len(losses), len(watched)) == (30, 30)
    assert (summary["steps"], summary["tokens"]) == (30, 30 * STEP_TOKENS)
    assert summary["final_loss"] == losses[-1]
    assert summary["best_validation_loss"] == min(watched) == watched[summary["best_step"] - 1]
    assert summary["parameters"] == stage.model.num_parameters(400)
    assert [record["done"] for record in told if record["kind"] == "progress"][-1] == 30 * STEP_TOKENS
    assert sorted(path.name for path in stage.workspace.output.iterdir()) == [
        "README.md",
        "config.json",
        "generation_config.json",
        "metrics.jsonl",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_the_model_with_the_lowest_held_out_loss_is_published(road: Road, tmp_path: Path) -> None:
    stage = small_stage(road, tmp_path, validation=PATIENT, **HASTY)

    summary, _ = train_and_listen(stage)

    assert summary["stopped_early"]
    assert summary["steps"] == summary["best_step"] + 3 < 40
    assert held_out_loss(stage.workspace.output, road) == pytest.approx(summary["best_validation_loss"], rel=1e-5)


def test_a_stage_that_stopped_early_stays_stopped_when_it_is_resumed(road: Road, tmp_path: Path) -> None:
    first, _ = train_and_listen(small_stage(road, tmp_path, validation=PATIENT, **HASTY))
    before = (tmp_path / "output" / "model.safetensors").read_bytes()

    again, told = train_and_listen(small_stage(road, tmp_path, validation=PATIENT, **HASTY))

    measured_anew = {"peak_gflops", "share_of_peak", "median_share_of_peak"}
    # Steps after the last checkpoint are done again, and take a time of their own.
    measured_anew |= {"step_seconds", "wait_seconds", "tokens_per_second", "median_tokens_per_second"}
    assert {key: again[key] for key in again.keys() - measured_anew} == {
        key: first[key] for key in first.keys() - measured_anew
    }
    assert (tmp_path / "output" / "model.safetensors").read_bytes() == before
    assert sum(record["name"] == "train_metrics" for record in told) <= 3


def test_a_stage_resumed_while_it_gets_worse_stops_at_the_same_step(road: Road, tmp_path: Path) -> None:
    whole, _ = train_and_listen(small_stage(road, tmp_path / "whole", validation=PATIENT, **HASTY))

    train_until(small_stage(road, tmp_path / "cut", validation=PATIENT, **HASTY), step=whole["steps"] - 1)
    cut, _ = train_and_listen(small_stage(road, tmp_path / "cut", validation=PATIENT, **HASTY))

    assert (cut["steps"], cut["best_step"]) == (whole["steps"], whole["best_step"])
    outputs = [tmp_path / name / "output" / "model.safetensors" for name in ("whole", "cut")]
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_if_the_best_weights_are_damaged_the_stage_still_ends(
    road: Road, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = train_and_listen(small_stage(road, tmp_path, validation=PATIENT, **HASTY))
    best = tmp_path / "kept" / "checkpoints" / f"step-{first['best_step']:08d}" / "state.safetensors"
    best.write_bytes(best.read_bytes()[:-1] + b"\x7f")

    with caplog.at_level(logging.WARNING, logger="headrace"):
        again, _ = train_and_listen(small_stage(road, tmp_path, validation=PATIENT, **HASTY))

    assert f"{best}: " in caplog.text
    assert again["best_step"] != first["best_step"]
    assert all(torch.isfinite(tensor).all() for tensor in load_file(tmp_path / "output" / "model.safetensors").values())


def test_a_loss_that_is_not_finite_ends_the_stage_with_the_weights_of_the_step_before(
    road: Road, tmp_path: Path
) -> None:
    stage = small_stage(road, tmp_path, learning_rate=1e37, warm_up=0.0)

    with pytest.raises(DivergenceError, match=r"step (\d+): the loss is") as error:
        train_stage(stage, Group())

    step = int(str(error.value).split(":")[0].removeprefix("step "))
    newest = sorted((stage.workspace.kept / "checkpoints").iterdir())[-1]
    assert int(newest.name.removeprefix("step-")) < step
    assert all(torch.isfinite(tensor).all() for tensor in load_file(newest / "state.safetensors").values())
    assert not (stage.workspace.output / "model.safetensors").exists()


def test_what_a_machine_chose_is_kept_for_the_next_session(road: Road, tmp_path: Path) -> None:
    stage = small_stage(road, tmp_path, precision="fp32", compile="auto")
    (stage.workspace.kept / "numerics.json").unlink()

    summary, _ = train_and_listen(stage)
    _, told = train_and_listen(small_stage(road, tmp_path, precision="fp32", compile="auto"))

    assert summary["numerics"]["precision"] == "fp32"
    assert not summary["numerics"]["compiled"]  # a stage this short is over before a compiler has begun
    assert summary["numerics"]["peak_gflops"] > 1
    (chosen,) = [record for record in told if record["name"] == "numerics"]
    assert {name: chosen[name] for name in summary["numerics"]} == summary["numerics"]


def test_a_stage_goes_on_from_another_model(road: Road, tmp_path: Path) -> None:
    first = small_stage(road, tmp_path / "first")
    train_stage(first, Group())
    second = replace(small_stage(road, tmp_path / "second", seed=8), initial=Artefact(first.workspace.output))

    summary, _ = train_and_listen(second)

    begins = [next(read_metrics(stage.workspace.output / "metrics.jsonl"))["loss"] for stage in (first, second)]
    assert begins[1] < begins[0] - 0.3
    assert summary["steps"] == 8


def test_a_model_of_a_smaller_vocabulary_is_refused(road: Road, make_road: MakeRoad, tmp_path: Path) -> None:
    """One that has rows for more tokens than there are is none: many models are given such."""
    other = make_road(vocabulary=VocabularyConfig(train=300))
    first = small_stage(other, tmp_path / "first")
    train_stage(first, Group())

    second = replace(small_stage(road, tmp_path / "second"), initial=Artefact(first.workspace.output))
    with pytest.raises(InputError, match="a model of 300 tokens, the vocabulary has 400"):
        train_stage(second, Group())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch's own, while it compiles
def test_bfloat16_and_a_compiler_learn_what_float32_learns(road: Road, tmp_path: Path) -> None:
    finals = {}
    for precision, compiled in (("fp32", False), ("bf16", True)):
        stage = small_stage(road, tmp_path / precision, model=small_config(depth=1), tokens=20 * STEP_TOKENS)
        numerics = Numerics(precision=precision, compiled=compiled, num_threads=1, peak_gflops=100.0)
        (stage.workspace.kept / "numerics.json").write_text(numerics.model_dump_json())
        finals[precision] = train_stage(stage, Group())["best_validation_loss"]

    assert finals["bf16"] == pytest.approx(finals["fp32"], rel=0.02)
