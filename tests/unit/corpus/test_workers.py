"""Deciding what is tried again, how, and whom to blame."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from headrace.corpus.workers import Attempt, Limits, Place, Workers, open_engine
from headrace.corpus.workers.attempt import read_crumb
from headrace.corpus.workers.backlog import MAX_ISOLATED, MAX_TRIES, Backlog, Case
from headrace.corpus.workers.crew import Outcome
from headrace.errors import WorkerError
from headrace.trace import recording

KILLED = Outcome(0, death="killed by SIGKILL")
STARVED = Outcome(0, death="memory ran out", out_of_memory=True)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(0, "unit 0", tmp_path / "crumb")


def die_at(case: Case, place: Place | None) -> Attempt:
    """One try that ends with a death at a place, as far as the worker tells."""
    attempt = case.next_attempt()
    if place:
        attempt.enter(place)
    case.note_death(KILLED)
    return attempt


def test_a_crumb_names_the_last_place_entered(tmp_path: Path) -> None:
    attempt = Attempt(2, tmp_path / "crumb")
    attempt.enter(Place("a.jsonl", 7))
    attempt.enter(Place("b.jsonl", 1 << 40))

    assert read_crumb(tmp_path / "crumb") == Place("b.jsonl", 1 << 40)
    (tmp_path / "crumb").write_bytes(b'["b.js')
    assert read_crumb(tmp_path / "crumb") is None
    assert read_crumb(tmp_path / "never written") is None


def test_nothing_is_noted_before_anybody_has_died(case: Case) -> None:
    attempt = case.next_attempt()
    attempt.enter(Place("a", 1))

    assert not attempt.is_careful
    assert not list(case.crumb.parent.iterdir()) if case.crumb else False


def test_a_record_named_by_two_deaths_is_left_out_of_the_fourth_try(case: Case) -> None:
    culprit = Place("a.jsonl", 300)
    tries = [die_at(case, culprit) for _ in range(3)]

    assert [attempt.is_careful for attempt in tries] == [False, True, True]
    assert [attempt.skip for attempt in tries] == [frozenset()] * 3
    assert case.next_attempt() == Attempt(4, case.crumb, frozenset({culprit}))


def test_deaths_at_different_places_accuse_nobody(case: Case) -> None:
    for number in range(MAX_TRIES - 1):
        die_at(case, Place("a", number))

    assert case.isolated == set()
    with pytest.raises(WorkerError, match=rf"^unit 0: .* died all {MAX_TRIES} times .* \(killed by SIGKILL\)"):
        die_at(case, Place("a", 99))


def test_every_culprit_of_a_unit_gets_its_own_tries_up_to_a_limit(case: Case) -> None:
    die_at(case, None)
    for number in range(MAX_ISOLATED):
        die_at(case, Place("a", number))
        die_at(case, Place("a", number))
    assert len(case.isolated) == MAX_ISOLATED
    die_at(case, Place("a", 99))
    with pytest.raises(WorkerError, match=r"9 of its records .* a:0, a:1, .* a:99"):
        die_at(case, Place("a", 99))


def test_a_crumb_of_an_earlier_try_accuses_nobody(case: Case) -> None:
    die_at(case, None)
    die_at(case, Place("a", 1))
    die_at(case, None)

    assert case.isolated == set()


def test_a_unit_is_alone_after_two_deaths_or_one_for_want_of_memory(case: Case, tmp_path: Path) -> None:
    die_at(case, None)
    assert not case.wants_to_be_alone
    die_at(case, None)
    assert case.wants_to_be_alone

    starved = Case(1, "unit 1", None)
    starved.note_death(STARVED)
    assert starved.wants_to_be_alone


def test_the_backlog_reads_one_item_ahead_and_no_more() -> None:
    read = []

    def items() -> Iterator[int]:
        for number in range(10):
            read.append(number)
            yield number

    backlog = Backlog(items(), None)
    for begun in range(3):
        case = backlog.take(num_running=begun)
        assert case is not None
        assert case.item == begun
    backlog.look_ahead()
    backlog.look_ahead()

    assert read == [0, 1, 2, 3]


def test_who_wants_to_be_alone_waits_for_the_others_and_they_for_it() -> None:
    backlog = Backlog(range(3), None)
    first = backlog.take(num_running=0)
    assert first is not None
    first.note_death(STARVED)
    backlog.put_back(first)

    assert backlog.take(num_running=1) is None
    assert backlog.take(num_running=0) is first
    assert backlog.take(num_running=0) is not first


def test_deaths_and_isolated_records_are_events(case: Case, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with recording(trace):
        for _ in range(3):
            die_at(case, Place("a.jsonl", 300))
    records = list(map(orjson.loads, trace.read_bytes().splitlines()))

    assert [record["name"] for record in records] == ["worker_died"] * 3 + ["record_isolated"]
    assert [record.get("attempt") for record in records] == [1, 2, 3, None]
    assert (records[0]["unit"], records[0]["cause"]) == ("unit 0", "killed by SIGKILL")
    assert (records[3]["file"], records[3]["offset"], records[3]["deaths"]) == ("a.jsonl", 300, 3)


def test_memory_is_shared_out_evenly() -> None:
    assert Workers(4, limits=Limits(memory_bytes=1_000)).memory_share_bytes == 250
    assert Workers(4).memory_share_bytes is None
    with open_engine("local", 3) as workers:
        assert workers.num_processes == 3


def test_a_record_that_is_left_out_and_still_named_is_not_accused_again(case: Case) -> None:
    for _ in range(3):
        die_at(case, Place("a", 1))
    assert case.isolated == {Place("a", 1)}
    for _ in range(MAX_TRIES - 1):
        die_at(case, Place("a", 1))
    with pytest.raises(WorkerError, match=f"died all {MAX_TRIES} times"):
        die_at(case, Place("a", 1))


def test_nobody_is_accused_of_what_happens_after_the_last_record(case: Case) -> None:
    die_at(case, None)
    for _ in range(2):
        attempt = case.next_attempt()
        attempt.enter(Place("a", 1))
        attempt.leave()
        case.note_death(KILLED)

    assert case.isolated == set()
