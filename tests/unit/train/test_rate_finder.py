"""The search for a learning rate: a rising rate, a table that repeats, a suggestion below where training breaks."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
from small_models import small_stage, train_and_listen
from small_road import Road

from headrace.errors import InputError
from headrace.train.progress import Progress
from headrace.train.rate_finder import Sweep, Tried, find_rate, suggest
from headrace.train.sweep_config import SweepConfig

SWEEP = SweepConfig(lowest=1e-4, highest=10.0, steps=40)


def test_rates_rise_by_a_factor_from_the_lowest_to_the_highest() -> None:
    rates = [Sweep(SWEEP).rate(Progress(step=step)) for step in range(40)]

    assert (rates[0], rates[-1]) == pytest.approx((1e-4, 10.0))
    assert [after / before for before, after in pairwise(rates)] == pytest.approx([1e5 ** (1 / 39)] * 39)


def test_the_suggestion_lies_between_the_steepest_fall_and_the_lowest_loss() -> None:
    """Losses fall fastest about step 30 and rise from step 60 on; a rate is ten to a twentieth of its step."""
    losses = [5 - 3 / (1 + math.exp(-(step - 30) / 4)) + max(0, step - 60) * 0.2 for step in range(80)]
    tried = [Tried(step + 1, 10 ** (step / 20 - 4), loss, loss) for step, loss in enumerate(losses)]

    found = suggest(tried)

    assert found["lowest_loss_rate"] == pytest.approx(10 ** (60 / 20 - 4))
    assert found["steepest_rate"] == pytest.approx(10 ** (32 / 20 - 4), rel=0.3)
    assert found["steepest_rate"] < found["suggested_rate"] < found["lowest_loss_rate"]


def test_a_loss_that_only_rises_suggests_nothing() -> None:
    tried = [Tried(step + 1, 1.0, 5.0 + step, 5.0 + step) for step in range(30)]

    with pytest.raises(InputError, match=r"rising since step 0 .*--lowest"):
        suggest(tried)


def test_the_table_repeats_to_the_bit_and_its_suggestion_learns(road: Road, tmp_path: Path) -> None:
    stages = [small_stage(road, tmp_path / name) for name in ("one", "two")]

    found = [find_rate(stage, SWEEP) for stage in stages]

    tables = [(stage.workspace.output / "rates.json").read_bytes() for stage in stages]
    assert found[0] == found[1]
    assert tables[0] == tables[1]
    table = json.loads(tables[0])["rates"]
    assert len(table) < 40  # a rate of 10 is never come to
    assert 1e-3 < found[0]["suggested_rate"] < 0.3
    losses = [
        train_and_listen(small_stage(road, tmp_path / str(rate), learning_rate=rate))[0]["best_validation_loss"]
        for rate in (found[0]["suggested_rate"], found[0]["suggested_rate"] / 30)
    ]
    assert losses[0] < losses[1]


def test_rates_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="must be below highest"):
        SweepConfig(lowest=1.0, highest=0.1)
