"""A batch that changed is shown, with why; a fixed one leaves no trace."""

from typing import Any

import orjson

from headrace.report.batch_sizes import batch_blocks
from headrace.report.blocks import Chart, Table
from headrace.report.material import Stage, gather
from headrace.report.training import thin


def stage_of(maker: Any, records: list[dict[str, Any]]) -> Stage:
    files = {"metrics.jsonl": b"".join(orjson.dumps(record) + b"\n" for record in records)}
    maker.publish("train", {"tokens": 4_000, "steps": 3}, files, step="train")
    return gather(maker.run).stages[-1]


def taken(step: int, size: int, **more: Any) -> dict[str, Any]:
    return {"kind": "train", "step": step, "tokens": 1_000 * step, "step_tokens": 1_000 * size, "loss": 1.0, **more}


def test_sizes_noise_and_decisions_are_shown(maker: Any) -> None:
    decided = {"kind": "batch", "step": 3, "step_tokens": 2_000, "factor": 2, "factor_before": 1}
    decided |= {"noise_scale": 2_500.0, "noise": 0.5, "signal": 0.2, "reason": "noise scale x target is 2.5 times"}
    records = [taken(1, 1, noise_scale=None), taken(2, 1, noise_scale=2_500.0), decided, taken(4, 2, noise_scale=9e3)]

    chart, table = batch_blocks(stage_of(maker, records))

    assert isinstance(chart, Chart)
    assert isinstance(table, Table)
    assert [column.title for column in table.columns][:3] == ["Tokens before", "Batch", "Became"]
    assert table.rows == (("2,000", "1,000", "2,000", "0.5", "0.2", "noise scale x target is 2.5 times"),)


def test_a_fixed_batch_is_no_section(maker: Any) -> None:
    records = [{"kind": "train", "step": step, "tokens": step, "loss": 1.0} for step in (1, 2)]

    assert batch_blocks(stage_of(maker, records)) == []


def test_points_are_thinned_by_what_all_of_them_tell() -> None:
    records = [taken(step, 1, noise_scale=None if step % 2 else 1.0) for step in range(2, 3_002)]

    assert "noise_scale" not in thin(records)[0]
    assert thin(records)[0]["step_tokens"] == 1_000
