"""What nobody needs is found; what somebody needs, or builds just now, is never touched."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from headrace.store import Artefact, StepSpec, Store, Workspace
from headrace.store.durable import remove_folder

Build = Callable[[Workspace], Mapping[str, Any]]
Spec = Callable[..., StepSpec]
Chain = dict[str, Artefact]


@pytest.fixture
def chain(store: Store, spec: Spec, build: Build) -> Chain:
    """novels and poems were measured, curated into one corpus, and encoded; a trial was made of the novels alone."""
    made: Chain = {}
    wants = {"novels": [], "poems": [], "corpus": ["novels", "poems"], "tokens": ["corpus"], "trial": ["novels"]}
    for name, inputs in wants.items():
        addresses = {other: made[other].address for other in inputs} or {"files": "a digest"}
        made[name] = store.ensure(spec(name=name, inputs=addresses), build)
    return made


def test_lineage_is_everything_an_artefact_was_made_from_nearest_first(store: Store, chain: Chain) -> None:
    found = [artefact.manifest.step for artefact in store.lineage(chain["tokens"].address)]

    assert found == ["tokens", "corpus", "novels", "poems"]


def test_what_two_artefacts_share_appears_once(store: Store, spec: Spec, build: Build, chain: Chain) -> None:
    inputs = {"a": chain["trial"].address, "b": chain["corpus"].address, "c": chain["novels"].address}
    mixed = store.ensure(spec(name="mixed", inputs=inputs), build)

    found = [artefact.manifest.step for artefact in store.lineage(mixed.address)]

    assert found == ["mixed", "trial", "corpus", "novels", "poems"]


def test_lineage_goes_as_far_as_what_is_still_there(store: Store, chain: Chain) -> None:
    remove_folder(chain["corpus"].path)

    assert [artefact.manifest.step for artefact in store.lineage(chain["tokens"].address)] == ["tokens"]
    assert list(store.lineage("no-such-address")) == []


@pytest.mark.parametrize(
    ("wanted", "unneeded"),
    [
        (["tokens", "trial"], []),
        (["tokens"], ["trial"]),
        (["trial"], ["corpus", "poems", "tokens"]),
        (["poems"], ["corpus", "novels", "tokens", "trial"]),
        ([], ["corpus", "novels", "poems", "tokens", "trial"]),
    ],
)
def test_garbage_is_what_no_wanted_artefact_was_made_from(
    wanted: list[str], unneeded: list[str], store: Store, chain: Chain
) -> None:
    garbage = store.garbage([chain[name].address for name in wanted])

    assert garbage == [chain[name].path for name in unneeded]


def test_what_an_interrupted_removal_left_is_garbage(store: Store, chain: Chain) -> None:
    left = [store.root / ".old-0123.gone-4567", store.root / ".work" / ".old-0123.gone-89ab"]
    for path in left:
        (path / "shards").mkdir(parents=True)

    garbage = store.garbage([artefact.address for artefact in chain.values()])

    assert garbage == left
    assert all(store.remove(path) for path in garbage)
    assert not any(path.exists() for path in left)


def test_the_work_of_a_build_that_failed_is_unfinished_and_no_garbage(store: Store, spec: Spec) -> None:
    def fail(workspace: Workspace) -> Mapping[str, Any]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.ensure(spec(), fail)

    assert store.garbage([]) == []
    assert store.unfinished() == [store.root / ".work" / spec().address]
    assert all(store.remove(path) for path in store.unfinished())
    assert store.unfinished() == []


def test_a_folder_that_is_being_built_just_now_is_not_removed(store: Store, spec: Spec, build: Build) -> None:
    def collect_meanwhile(workspace: Workspace) -> Mapping[str, Any]:
        (path,) = store.unfinished()
        assert path == workspace.output.parent
        assert not store.remove(path)
        return build(workspace)

    assert store.ensure(spec(), collect_meanwhile).problems() == []


def test_a_removed_artefact_is_built_again_when_it_is_wanted(store: Store, spec: Spec, build: Build) -> None:
    artefact = store.ensure(spec(), build)

    assert store.remove(artefact.path)
    assert store.find(artefact.address) is None
    assert store.ensure(spec(), build).problems() == []


def test_an_unreadable_manifest_does_not_keep_garbage_from_being_found(store: Store, chain: Chain) -> None:
    (chain["tokens"].path / "manifest.json").write_bytes(b"")
    addresses = [chain[name].address for name in ("tokens", "corpus")]

    assert store.garbage(addresses) == [chain["trial"].path]
