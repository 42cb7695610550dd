"""The learning rate over a stage: up, level, down, without a jump."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.train.config import StageConfig
from headrace.train.schedule import StageSchedule


def learning_rate(config: StageConfig, share: float, *, num_steps: int = 1_000) -> float:
    return StageSchedule(config, num_steps).rate_at(share)


SHARES = st.floats(0, 1)
CONFIGS = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(
    lambda pair: StageConfig(learning_rate=3e-3, warm_up=pair[0] * 0.9, cool_down=(1 - pair[0]) * pair[1])
)


def config_of(warm_up: float = 0.2, cool_down: float = 0.3) -> StageConfig:
    return StageConfig(learning_rate=0.01, warm_up=warm_up, cool_down=cool_down)


@given(config=CONFIGS, share=SHARES)
def test_the_rate_is_never_negative_and_never_above_its_peak(config: StageConfig, share: float) -> None:
    assert 0 <= learning_rate(config, share) <= config.learning_rate


@given(config=CONFIGS, share=SHARES, step=st.floats(1e-9, 1e-3))
def test_the_rate_has_no_jump(config: StageConfig, share: float, step: float) -> None:
    """A linear rise moves by step / warm_up at most, a fall of 1 - sqrt by sqrt(step / cool_down)."""
    before, after = learning_rate(config, share), learning_rate(config, min(1.0, share + step))
    rise = step / config.warm_up if config.warm_up else 0.0
    fall = (step / config.cool_down) ** 0.5 if config.cool_down else 0.0

    assert -fall * 1.001 - 1e-6 <= (after - before) / config.learning_rate <= rise * 1.001 + 1e-6


@given(low=SHARES, high=SHARES)
def test_the_rate_rises_before_it_is_level_and_falls_after(low: float, high: float) -> None:
    low, high = sorted((low, high))
    config = config_of()

    if high <= 0.2:
        assert learning_rate(config, low) <= learning_rate(config, high)
    elif low >= 0.7:
        assert learning_rate(config, low) >= learning_rate(config, high)
    elif low >= 0.2 and high <= 0.7:
        assert learning_rate(config, low) == learning_rate(config, high) == 0.01


def test_the_shape_is_the_one_of_the_paper() -> None:
    config = config_of()

    assert [learning_rate(config, share) for share in (0.0, 0.1, 0.2, 0.5)] == pytest.approx([0, 0.005, 0.01, 0.01])
    assert learning_rate(config, 0.7 + 0.3 / 4) == pytest.approx(0.01 * (1 - 0.25**0.5))
    assert learning_rate(config, 1.0) == 0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_without_warm_up_and_cool_down_the_rate_is_constant(share: float) -> None:
    assert learning_rate(config_of(warm_up=0, cool_down=0), share) == 0.01


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"warm_up": 0.6, "cool_down": 0.5}, "at most 1 together"),
        ({"epochs": 1.0, "tokens": 5}, "write one of them"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"clip": 1.0}, "clip"),
    ],
)
def test_a_stage_that_makes_no_sense_is_refused(given: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        StageConfig(**given)


@given(rows=st.integers(1, 64), share=st.integers(1, 64), row_tokens=st.sampled_from([32, 256]))
def test_micro_batches_are_whole_shares_within_the_limit(rows: int, share: int, row_tokens: int) -> None:
    config = StageConfig(micro_batch_tokens=rows * row_tokens + 5)

    micro = config.micro_batch_rows(row_tokens, share)

    assert share % micro == 0
    assert micro <= max(1, rows)
    assert not any(share % more == 0 for more in range(micro + 1, min(rows, share) + 1))


def test_a_batch_that_is_no_multiple_of_the_row_is_refused_with_one_that_is() -> None:
    with pytest.raises(ValueError, match="1,000 is no multiple of row_tokens 256; try 1,024"):
        StageConfig(global_batch_tokens=1_000).batch_rows(256)
