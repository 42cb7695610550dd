"""What happened is on record: whole lines, in the order in which things ended, and cheap."""

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from headrace.errors import PrunedError
from headrace.trace import Record, Recorder, event, progress, read_records, recording, span

MOST_MICROSECONDS = 20.0
MOST_MICROSECONDS_WITHOUT_RECORDER = 3.0


def test_spans_nest_and_tell_their_time(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with recording(path), span("outer", source="novels"), span("inner") as inner:
        time.sleep(0.02)
        inner.fields["documents"] = 7

    first, second = read_records(path)
    assert (first["kind"], first["name"], first["documents"]) == ("span", "inner", 7)
    assert (second["name"], second["source"]) == ("outer", "novels")
    assert 0.02 <= first["seconds"] <= second["seconds"] < 2
    assert inner.seconds == pytest.approx(first["seconds"], abs=1e-6)
    assert abs(second["time"] - time.time()) < 60


def test_a_span_that_ends_with_an_error_says_which_and_lets_it_pass(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with pytest.raises(ZeroDivisionError), recording(path), span("outer"), span("inner"):
        1 / 0  # noqa: B018
    with recording(path), span("fine"):
        pass

    assert [(record["name"], record.get("error")) for record in read_records(path)] == [
        ("inner", "ZeroDivisionError"),
        ("outer", "ZeroDivisionError"),
        ("fine", None),
    ]


def test_a_span_measures_without_a_recorder_too() -> None:
    with span("alone") as alone:
        time.sleep(0.01)

    assert alone.seconds >= 0.01


def test_events_keep_their_fields_and_numpy_numbers(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with recording(path):
        event("step_begins", step="curate", documents=np.int64(3), share=np.float32(0.5))

    (record,) = read_records(path)
    assert {key: record[key] for key in ("kind", "name", "step", "documents", "share")} == {
        "kind": "event",
        "name": "step_begins",
        "step": "curate",
        "documents": 3,
        "share": 0.5,
    }


def test_progress_reaches_listeners_and_not_the_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    heard: list[Record] = []
    with recording(path, [heard.append, heard.append]):
        progress("measure", 3, 10, unit="bytes")
        event("artefact")

    assert [record["kind"] for record in heard] == ["progress"] * 2 + ["event"] * 2
    assert heard[0] == {"kind": "progress", "name": "measure", "done": 3, "total": 10, "unit": "bytes"}
    assert [record["name"] for record in read_records(path)] == ["artefact"]


def test_without_a_recorder_nothing_is_written_and_nothing_fails() -> None:
    event("nobody listens")
    progress("nobody listens", 1, 2)


def test_an_inner_recorder_takes_over_and_gives_back(tmp_path: Path) -> None:
    with recording(tmp_path / "outer"):
        event("before")
        with recording(tmp_path / "inner"):
            event("within")
        event("after")
    event("too late")

    assert [record["name"] for record in read_records(tmp_path / "outer")] == ["before", "after"]
    assert [record["name"] for record in read_records(tmp_path / "inner")] == ["within"]


def test_two_recorders_of_one_file_share_it(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with recording(path):
        event("first")
        with recording(path):
            event("second")
        event("third")

    assert sorted(record["name"] for record in read_records(path)) == ["first", "second", "third"]


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"

    def work(number: int) -> None:
        for index in range(300):
            event("tick", thread=number, index=index)

    with recording(path):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    records = read_records(path)
    for number in range(4):
        assert [record["index"] for record in records if record["thread"] == number] == list(range(300))


def test_a_session_adds_to_what_earlier_sessions_wrote(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    for name in ("first", "second"):
        with recording(path):
            event(name)

    assert [record["name"] for record in read_records(path)] == ["first", "second"]


def test_a_trace_that_is_not_there_has_no_records(tmp_path: Path) -> None:
    assert read_records(tmp_path / "trace.jsonl") == []


def test_a_last_line_cut_by_a_kill_is_left_out_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with recording(path):
        event("first", step="naïve 春")
        event("second", step="naïve 春")
    whole = path.read_bytes()
    first_bytes = whole.index(b"\n") + 1
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        names = [record["name"] for record in read_records(path)]
        assert names == ["first", "second"][: (length >= first_bytes) + (length == len(whole))]


@pytest.mark.parametrize("left", [b"", b"{", b'{"kind":"event","name":"old"}\n', b'{"name":"old"}\n{"name":"cu'])
def test_records_after_a_kill_begin_on_a_line_of_their_own(left: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(left)
    with recording(path):
        event("new")

    assert [record["name"] for record in read_records(path)] == ["old"] * left.count(b"\n") + ["new"]
    assert path.read_bytes().startswith(left[: left.rfind(b"\n") + 1])


def test_a_recorder_writes_within_about_a_second(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    recorder = Recorder(path)
    deadline = time.monotonic() + 5
    while not read_records(path) and time.monotonic() < deadline:
        recorder.write({"kind": "event", "name": "tick"})
        time.sleep(0.05)
    seen = time.monotonic()
    recorder.close()

    assert seen < deadline - 2


def cost_microseconds(count: int) -> float:
    """CPU time of a span with two fields, on average."""
    start = time.process_time()
    for number in range(count):
        with span("unit", number=number, source="novels"):
            pass
    return (time.process_time() - start) / count * 1e6


def test_a_span_costs_microseconds_and_next_to_nothing_without_a_recorder(tmp_path: Path) -> None:
    without = min(cost_microseconds(20_000) for _ in range(3))
    with recording(tmp_path / "trace.jsonl"):
        recorded = min(cost_microseconds(20_000) for _ in range(3))

    print(f"a span costs {recorded:.2f} us, {without:.2f} us without a recorder", file=sys.stderr)
    assert len(read_records(tmp_path / "trace.jsonl")) == 60_000
    assert recorded < MOST_MICROSECONDS
    assert without < MOST_MICROSECONDS_WITHOUT_RECORDER


def test_what_a_listener_raises_ends_what_it_listens_to_once_the_record_is_written(tmp_path: Path) -> None:
    """So whoever watches may stop a stage that does not know them; the file stays whole, and others may go on."""

    def stop(record: Record) -> None:
        if record["name"] == "enough":
            raise PrunedError("enough")

    path = tmp_path / "trace.jsonl"
    with recording(path, [stop]):
        with pytest.raises(PrunedError), span("work"):
            event("enough")
        event("after")

    records = read_records(path)
    assert [record["name"] for record in records] == ["enough", "work", "after"]
    assert records[1]["error"] == "PrunedError"
