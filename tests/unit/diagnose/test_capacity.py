"""What a request will need is known before it starts; what this machine cannot hold is refused in one sentence."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from headrace.diagnose import check_corpus_disk, check_training, forecast_training_bytes
from headrace.diagnose.capacity import least_training_bytes
from headrace.errors import CapacityError
from headrace.models.config import ModelConfig
from headrace.models.decoder import build_decoder
from headrace.train.config import CheckpointConfig, StageConfig
from headrace.train.memory.forecast import optimizer_bytes
from headrace.train.optimizer import build_optimizer

SIZES = {"depth": 4, "width": 256, "heads": 4, "kv_heads": 2, "feed_forward": 512}
TINY = ModelConfig(depth=2, width=32, heads=2, kv_heads=1, feed_forward=64)
ABSURD = ModelConfig(depth=512, width=65_536, heads=512, kv_heads=512, feed_forward=175_000)
STAGE = StageConfig(micro_batch_tokens=2048)
FIFTEEN_TIB = 15 << 40  # just below the largest file that ext4 holds


def forecast(
    *, vocabulary_size: int = 8192, row_tokens: int = 256, micro_batch_tokens: int = 2048, **sizes: Any
) -> int:
    return forecast_training_bytes(
        StageConfig(micro_batch_tokens=micro_batch_tokens),
        ModelConfig(**{**SIZES, **sizes}),
        vocabulary_size=vocabulary_size,
        row_tokens=row_tokens,
    )


@pytest.mark.parametrize(
    "more",
    [
        {"depth": 5},
        {"width": 264},
        {"heads": 8},
        {"kv_heads": 4},
        {"feed_forward": 520},
        {"tied": False},
        {"vocabulary_size": 8193},
        {"row_tokens": 512},
        {"micro_batch_tokens": 4096},
    ],
    ids=str,
)
def test_the_forecast_grows_with_each_of_its_factors(more: dict[str, int]) -> None:
    assert forecast(**more) > forecast()


def test_a_row_longer_than_the_micro_batch_counts_whole() -> None:
    assert forecast(row_tokens=4096, micro_batch_tokens=1024) == forecast(row_tokens=4096, micro_batch_tokens=4096)


def test_a_long_row_counts_its_scores_only_where_they_are_kept() -> None:
    long = {"row_tokens": 16_384, "micro_batch_tokens": 16_384}

    assert forecast(**long) < forecast(**{**long, "row_tokens": 1024}) + 1e9
    assert forecast(**long, attention_dropout=0.1) > forecast(**long) + 16_384**2


def test_the_forecast_holds_at_least_the_state_of_the_optimiser() -> None:
    model = ModelConfig(preset="base")

    needed = forecast_training_bytes(STAGE, model, vocabulary_size=8192, row_tokens=256)

    assert needed > 16 * model.num_parameters(8192)
    assert needed < 100 * model.num_parameters(8192)


@pytest.mark.parametrize(
    "optimizer",
    [
        {"name": "adamw"},
        {"name": "adamw", "state_precision": "bf16"},
        {"name": "adamw", "state_precision": "int8"},
        {"name": "muon"},
        {"name": "muon", "state_precision": "bf16"},
        {"name": "adafactor"},
        {"name": "lion", "state_precision": "bf16"},
        {"name": "sgd"},
        {"name": "sgd", "momentum": 0.0},
    ],
    ids=str,
)
def test_the_forecast_of_an_optimisers_state_is_what_it_takes(optimizer: dict[str, Any]) -> None:
    model = ModelConfig(preset="tiny", depth=2)
    config = StageConfig(optimizer=optimizer).optimizer
    decoder = build_decoder(model, 2_000, seed=1)
    built = build_optimizer(config, decoder)
    for parameter in decoder.parameters():
        parameter.grad = torch.ones_like(parameter)
    built.step()

    taken = sum(moment.nbytes for moment in built.state().values())

    most = 2 if optimizer["name"] == "adafactor" else 1.02
    assert taken <= 1.02 * optimizer_bytes(config, model, 2_000) <= most * 1.02 * taken


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"optimizer": {"name": "lion"}}, {"optimizer": {"name": "adamw"}}),
        ({"optimizer": {"name": "adafactor"}}, {"optimizer": {"name": "sgd"}}),
        ({"optimizer": {"state_precision": "bf16"}}, {"optimizer": {"name": "adamw"}}),
        ({}, {"average": {"kind": "tail"}}),
    ],
    ids=str,
)
def test_the_forecast_follows_what_is_remembered(less: dict[str, Any], more: dict[str, Any]) -> None:
    model = ModelConfig(preset="base")

    small, large = (
        forecast_training_bytes(StageConfig(**given), model, vocabulary_size=8192, row_tokens=256)
        for given in (less, more)
    )

    assert small + 3 * model.num_parameters(8192) < large


def test_a_training_that_fits_is_let_through_with_its_forecast(tmp_path: Path) -> None:
    given = {"vocabulary_size": 512, "row_tokens": 64, "folder": tmp_path / "runs" / "store"}
    one = check_training(STAGE, TINY, num_processes=1, **given)

    assert one == forecast_training_bytes(STAGE, TINY, vocabulary_size=512, row_tokens=64)
    assert check_training(STAGE, TINY, num_processes=2, **given) == 2 * one
    assert os.listdir(tmp_path) == []


def test_an_absurd_model_is_refused_with_both_figures_and_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(CapacityError) as caught:
        check_training(STAGE, ABSURD, vocabulary_size=8192, row_tokens=256, num_processes=1, folder=tmp_path / "runs")

    assert caught.match(
        r"training 26,\d{3},\d{3}\.\d M parameters needs about [\d,]+\.\d\d GB of memory and [\d,]+\.\d\d GB are free"
    )
    assert caught.match("Use a smaller model or vocabulary, shorter rows")
    assert caught.value.exit_code == 2
    assert os.listdir(tmp_path) == []


def test_more_processes_than_memory_are_refused(tmp_path: Path) -> None:
    count = psutil.virtual_memory().total // least_training_bytes(STAGE, TINY, vocabulary_size=512, row_tokens=64)

    with pytest.raises(CapacityError, match="fewer processes"):
        check_training(STAGE, TINY, vocabulary_size=512, row_tokens=64, num_processes=count + 1, folder=tmp_path)


def test_a_limit_that_is_written_counts_and_leaner_ways_need_less(tmp_path: Path) -> None:
    model, given = ModelConfig(preset="base"), {"vocabulary_size": 8192, "row_tokens": 256}
    least = least_training_bytes(STAGE, model, **given)
    ways = (
        {"optimizer": {"name": "adamw", "state_precision": "int8"}},
        {"updates": "by_block", "global_batch_tokens": 1024},
    )

    assert least < forecast_training_bytes(STAGE, model, **given)
    assert all(least_training_bytes(StageConfig(**way), model, **given) <= least for way in ways)
    with pytest.raises(CapacityError, match=r"1\.00 GB are allowed by train\.memory"):
        check_training(StageConfig(memory="1GB"), model, **given, num_processes=1, folder=tmp_path)
    check_training(StageConfig(memory="4GB"), model, **given, num_processes=1, folder=tmp_path)


def test_more_checkpoints_than_disk_are_refused(tmp_path: Path) -> None:
    stage = StageConfig(checkpoint=CheckpointConfig(keep=10**12))

    with pytest.raises(
        CapacityError, match=r"the checkpoints of this training needs? about [\d,]+\.\d\d GB of disk below"
    ):
        check_training(stage, TINY, vocabulary_size=512, row_tokens=64, num_processes=1, folder=tmp_path)


@pytest.fixture
def hundred_terabytes(tmp_path: Path) -> list[Path]:
    """More text than any test machine's disk holds; takes no space."""
    (tmp_path / "raw").mkdir()
    paths = [tmp_path / "raw" / f"{number}.jsonl" for number in range(7)]
    for path in paths:
        path.touch()
        os.truncate(path, FIFTEEN_TIB)
    return paths


def test_more_text_than_the_disk_holds_is_refused_before_a_byte_is_read(
    hundred_terabytes: list[Path], tmp_path: Path
) -> None:
    files = [(path.name, path.stat().st_size) for path in hundred_terabytes]
    with pytest.raises(CapacityError) as caught:
        check_corpus_disk(files, tmp_path / "runs" / "store")

    assert caught.match(
        r"curating 7 files needs about 115,448\.\d\d GB of disk below .*runs/store and [\d,]+\.\d\d GB are free"
    )
    assert caught.match("put the runs elsewhere with --runs")
    assert os.listdir(tmp_path) == ["raw"]


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2", ".xz", ".parquet"])
def test_a_compressed_file_needs_more_disk_than_it_has_bytes(suffix: str, tmp_path: Path) -> None:
    half = psutil.disk_usage(str(tmp_path)).free // 2

    check_corpus_disk([("a.jsonl", half)], tmp_path)
    with pytest.raises(CapacityError, match="curating 1 files"):
        check_corpus_disk([(f"a.jsonl{suffix}", half)], tmp_path)


def test_the_command_refuses_it_within_seconds_and_publishes_nothing(
    hundred_terabytes: list[Path], tmp_path: Path
) -> None:
    recipe = tmp_path / "large.yaml"
    recipe.write_text("name: large\nseed: 1\ncorpus: {sources: [{name: raw, path: raw}]}\n")
    start = time.monotonic()

    command = [sys.executable, "-m", "headrace", "run", recipe, "--runs", tmp_path / "runs"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("error: curating 7 files needs about 115,448.")
    assert "Traceback" not in done.stderr
    assert time.monotonic() - start < 30
    assert not (tmp_path / "runs" / "store").exists()
    assert not (tmp_path / "runs" / "large" / "run.json").exists()
