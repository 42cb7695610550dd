"""The metrics file: a line a record, cut back to where a run resumes."""

from pathlib import Path

import pytest

from headrace.trace import Record, recording
from headrace.train.metrics import MetricLog, read_metrics


def write_steps(path: Path, steps: range, *, resumed_step: int = 0) -> None:
    log = MetricLog(path, resumed_step=resumed_step)
    for step in steps:
        log.write("train", {"step": step, "loss": 1 / step})
    log.close()


@pytest.mark.parametrize("resumed_step", range(7))
def test_a_resumed_log_has_every_step_once(resumed_step: int, tmp_path: Path) -> None:
    write_steps(tmp_path / "metrics.jsonl", range(1, 7))
    write_steps(tmp_path / "metrics.jsonl", range(resumed_step + 1, 10), resumed_step=resumed_step)

    records = list(read_metrics(tmp_path / "metrics.jsonl"))

    assert records == [{"kind": "train", "step": step, "loss": 1 / step} for step in range(1, 10)]


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write_steps(path, range(1, 4))
    whole = path.read_bytes()
    last_line = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(last_line, len(whole)):
        path.write_bytes(whole[:cut])
        assert [record["step"] for record in read_metrics(path)] == [1, 2]

    write_steps(path, range(3, 4), resumed_step=2)
    assert path.read_bytes() == whole


def test_no_file_is_no_records(tmp_path: Path) -> None:
    assert list(read_metrics(tmp_path / "none")) == []


def test_who_listens_is_told_each_record(tmp_path: Path) -> None:
    told: list[Record] = []
    with recording(None, [told.append]):
        write_steps(tmp_path / "metrics.jsonl", range(1, 3))

    assert [(record["name"], record["step"]) for record in told] == [("train_metrics", 1), ("train_metrics", 2)]
