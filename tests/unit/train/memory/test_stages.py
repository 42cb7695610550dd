"""Whole stages in little memory learn what those with plenty do."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small_models import small_config, small_stage, train_and_listen, train_until
from small_road import ROW_TOKENS, Road
from torch import Tensor

from headrace.errors import CapacityError
from headrace.train.config import CheckpointConfig, StageConfig
from headrace.train.memory.config import parse_size
from headrace.train.memory.settle import kept_plan

NOISY = small_config(dropout=0.1, attention_dropout=0.1)
LARGE = small_config(width=256, feed_forward=320)
WAYS: dict[str, dict[str, Any]] = {
    "state on disk": {"memory": {"page": "state"}},
    "state in 8 bits on disk": {"memory": {"page": "state"}, "optimizer": {"state_precision": "int8"}},
    "muon's state on disk": {"memory": {"page": "state"}, "optimizer": {"name": "muon"}},
}


def weights_of(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "output" / "model.safetensors")


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("given", WAYS.values(), ids=WAYS.keys())
def test_state_on_disk_changes_no_bit_also_after_a_kill(given: dict[str, Any], road: Road, tmp_path: Path) -> None:
    plain = {name: value for name, value in given.items() if name != "memory"}
    train_and_listen(small_stage(road, tmp_path / "plain", model=NOISY, **plain))

    train_until(small_stage(road, tmp_path / "paged", model=NOISY, **given), step=3)
    stage = small_stage(road, tmp_path / "paged", model=NOISY, **given)
    plan = kept_plan(stage)
    train_and_listen(stage)

    assert plan is not None
    assert plan.state == "disk"
    assert same(weights_of(tmp_path / "plain"), weights_of(tmp_path / "paged"))


@pytest.fixture(scope="module")
def by_block(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage whose blocks are updated as their gradients come, all in memory."""
    folder = tmp_path_factory.mktemp("by-block")
    train_and_listen(small_stage(road, folder, model=LARGE, updates="by_block", memory={"page": "nothing"}))
    return folder


@pytest.mark.parametrize("page", ["state", "all"])
def test_by_block_weights_and_state_on_disk_change_no_bit_also_after_a_kill(
    page: str, by_block: Path, road: Road, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"model": LARGE, "updates": "by_block", "memory": {"page": page}}
    train_until(small_stage(road, tmp_path, **given), step=3)
    stage = small_stage(road, tmp_path, **given)
    plan = kept_plan(stage)
    train_and_listen(stage)

    assert plan is not None
    assert (plan.state, plan.weights) == ("disk", "disk" if page == "all" else "memory")
    assert same(weights_of(by_block), weights_of(tmp_path))


def test_updates_by_block_without_clipping_are_those_of_whole_steps(road: Road, tmp_path: Path) -> None:
    """One micro-batch a step in both; then only the order of updates differs, which nothing depends on."""
    given = {"micro_batch_tokens": 8 * ROW_TOKENS, "clip_gradient": 1e9, "model": LARGE}
    losses = []
    for updates in ("whole", "by_block"):
        _, records = train_and_listen(small_stage(road, tmp_path / updates, updates=updates, **given))
        losses.append([record["loss"] for record in records if record["name"] == "train_metrics"])

    assert len(losses[0]) == 8
    assert losses[0] == losses[1]
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "by_block"))


def test_a_limit_is_kept_by_recomputing_and_changes_no_bit(road: Road, tmp_path: Path) -> None:
    """The limit is what the stage would take with everything kept, less a little."""
    given: dict[str, Any] = {"model": small_config(depth=6, dropout=0.1), "micro_batch_tokens": 4 * ROW_TOKENS}
    stage = small_stage(road, tmp_path / "plain", **given)
    train_and_listen(stage)
    plain = kept_plan(stage)
    assert plain is not None
    assert plain.keeps_all(4)

    # What is resident has grown since, by pages of the first stage.
    told: list[str] = []
    for less in (0.5e6, 1e6, 2e6, 4e6, 8e6):
        limit = int(plain.forecast_bytes - less)
        stage = small_stage(road, tmp_path / f"{less:.0f}", memory={"limit": limit, "page": "nothing"}, **given)
        try:
            _, records = train_and_listen(stage)
        except CapacityError:
            break
        told += [record["line"] for record in records if record["name"] == "memory_plan"]
        plan = kept_plan(stage)
        assert plan is not None
        if plan.micro_batch_rows == 4:
            assert same(weights_of(tmp_path / "plain"), weights_of(tmp_path / f"{less:.0f}"))
    assert all(line.startswith("memory: ") for line in told)


def test_a_limit_that_nothing_keeps_is_refused(road: Road, tmp_path: Path) -> None:
    with pytest.raises(CapacityError, match="training needs at least"):
        train_and_listen(small_stage(road, tmp_path, memory="100MB"))


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 10**9), ("500 MB", 5 * 10**8), ("2GiB", 2 << 30), ("1.5g", None), ("much", None)]
)
def test_sizes_are_read_or_refused(text: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(ValueError, match="is no size"):
            parse_size(text)
    else:
        assert StageConfig(memory=text).memory.limit == size


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"memory": {"page": "all"}}, "needs updates: by_block"),
        ({"memory": {"page": "state"}, "optimizer": {"state_precision": "bf16"}}, "bf16 does not lie on disk"),
        ({"updates": "by_block", "skip_spikes": {}}, "no skip_spikes"),
        ({"updates": "by_block", "objective": {"name": "classify"}}, "rows of tokens"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StageConfig.model_validate(given)


def test_memory_is_no_part_of_an_address_where_it_is_not_written() -> None:
    plain = StageConfig(checkpoint=CheckpointConfig()).as_json()

    assert not {"memory", "updates"} & plain.keys()
    assert StageConfig(updates="by_block").as_json()["updates"] == "by_block"
