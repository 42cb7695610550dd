"""An artefact is built once per address, published whole, and found ever after."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from headrace.store import StepSpec, Store, Workspace
from headrace.trace import Record, recording

Build = Callable[[Workspace], Mapping[str, Any]]
Spec = Callable[..., StepSpec]


def refuse(workspace: Workspace) -> Mapping[str, Any]:
    raise AssertionError("nothing was to be built")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"version": 2},
        {"size": 4},
        {"rate": 0.25},
        {"words": ("b", "a")},
        {"inputs": {"corpus": "corpus-1"}},
        {"inputs": {"tokens": "corpus-0"}},
        {"inputs": {}},
    ],
    ids=str,
)
def test_the_address_depends_on_everything_that_determines_the_content(change: dict[str, Any], spec: Spec) -> None:
    given = {"inputs": {"corpus": "corpus-0"}}

    assert spec(**{**given, **change}).address != spec(**given).address


def test_the_address_does_not_depend_on_order_or_on_defaults_being_written(spec: Spec) -> None:
    written = spec(size=3, rate=0.5, inputs={"a": "1", "b": "2"})

    assert written.address == spec(inputs={"b": "2", "a": "1"}).address
    assert written.address.startswith("step-")


def test_a_published_artefact_is_described_by_its_manifest(store: Store, spec: Spec, build: Build) -> None:
    artefact = store.ensure(spec(size=9, inputs={"corpus": "corpus-0"}), build)

    manifest = artefact.manifest
    assert (manifest.step, manifest.address, artefact.address) == ("step", artefact.path.name, artefact.path.name)
    assert manifest.config == {"size": 9, "rate": 0.5, "words": ["a", "b"]}
    assert manifest.inputs == {"corpus": "corpus-0"}
    assert {name: record.size_bytes for name, record in manifest.files.items()} == {"data.bin": 200, "shards/0.txt": 5}
    assert artefact.summary == {"documents": 2}
    assert artefact.size_bytes == 205
    assert artefact.files("*.txt") == [artefact.path / "shards" / "0.txt"]
    assert artefact.problems() == []


def test_what_is_there_is_found_and_not_built_again(store: Store, spec: Spec, build: Build) -> None:
    built = store.ensure(spec(), build)

    assert store.ensure(spec(), refuse) == built
    assert [artefact.address for artefact in store.artefacts()] == [built.address]


def test_the_trace_says_whether_an_artefact_was_built_or_found(store: Store, spec: Spec, build: Build) -> None:
    heard: list[Record] = []
    with recording(None, [heard.append]):
        store.ensure(spec(), build)
        store.ensure(spec(), build)

    assert [(record["name"], record.get("built")) for record in heard] == [
        ("building", None),
        ("artefact", True),
        ("artefact", False),
    ]
    assert {record["address"] for record in heard} == {spec().address}


def test_nothing_is_visible_before_the_manifest_is_written(store: Store, spec: Spec) -> None:
    def look(workspace: Workspace) -> Mapping[str, Any]:
        (workspace.output / "data.bin").write_bytes(b"x")
        assert store.find(spec().address) is None
        assert store.artefacts() == []
        assert all(name.startswith(".") for name in os.listdir(store.root))
        return {}

    assert store.ensure(spec(), look) == store.find(spec().address)


def test_a_folder_without_a_manifest_is_not_an_artefact(store: Store, spec: Spec) -> None:
    (store.root / spec().address).mkdir(parents=True)

    assert store.find(spec().address) is None
    assert store.artefacts() == []


def test_a_build_that_raises_publishes_nothing_and_keeps_its_finished_units(
    store: Store, spec: Spec, build: Build
) -> None:
    def fail(workspace: Workspace) -> Mapping[str, Any]:
        (workspace.kept / "unit-0").write_text("done")
        (workspace.output / "half").write_text("half")
        raise RuntimeError("the second unit failed")

    def go_on(workspace: Workspace) -> Mapping[str, Any]:
        assert (workspace.kept / "unit-0").read_text() == "done"
        assert os.listdir(workspace.output) == []
        return build(workspace)

    with pytest.raises(RuntimeError, match="second unit"):
        store.ensure(spec(), fail)
    assert store.find(spec().address) is None

    artefact = store.ensure(spec(), go_on)

    assert set(artefact.manifest.files) == {"data.bin", "shards/0.txt"}
    assert not (store.root / ".work" / artefact.address).exists()


def test_the_time_of_failed_attempts_counts(store: Store, spec: Spec, build: Build) -> None:
    def fail(workspace: Workspace) -> Mapping[str, Any]:
        time.sleep(0.05)
        raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            store.ensure(spec(), fail)

    assert store.ensure(spec(), build).manifest.seconds >= 0.1


def test_a_file_called_manifest_below_the_first_level_is_a_file_like_others(store: Store, spec: Spec) -> None:
    def nest(workspace: Workspace) -> Mapping[str, Any]:
        (workspace.output / "model").mkdir()
        (workspace.output / "model" / "manifest.json").write_text("{}")
        return {}

    assert set(store.ensure(spec(), nest).manifest.files) == {"model/manifest.json"}
