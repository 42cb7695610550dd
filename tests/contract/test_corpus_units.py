"""However many processes measure, and whenever they were killed before: the same bytes come out."""

import random
import shutil
from pathlib import Path

import pytest

from headrace.corpus.config import CorpusConfig, SourceConfig
from headrace.corpus.discover import find_files
from headrace.corpus.measure.config import MeasureSettings
from headrace.corpus.measure.source import measure_source
from headrace.corpus.quantity import quantities_of
from headrace.corpus.workers import EngineKind, Workers, open_engine
from headrace.pipeline import steps
from headrace.store import Store, Workspace


@pytest.fixture
def pages(tmp_path: Path) -> SourceConfig:
    """1,000 small files: four units, with a damaged file in each."""
    generator = random.Random(7)
    words = "the mill and a wheel of water that turns with the river to be seen".split()
    (tmp_path / "in").mkdir()
    for number in range(1_000):
        text = " ".join(generator.choices(words, k=40)).encode()
        (tmp_path / "in" / f"{number:04d}.txt").write_bytes(text + (b"\xff" if number % 250 == 3 else b""))
    return SourceConfig(name="pages", path=("in",))


def measure(source: SourceConfig, folder: Path, name: str, workers: Workers) -> dict[str, bytes]:
    workspace = Workspace(kept=folder / name / "kept", output=folder / name / "output")
    workspace.kept.mkdir(parents=True, exist_ok=True)
    workspace.output.mkdir()
    settings = MeasureSettings.of(CorpusConfig(sources=(source,)), source)
    files = find_files(source, folder)
    measure_source(settings, files=files, quality=None, workspace=workspace, workers=workers)
    return {path.name: path.read_bytes() for path in sorted(workspace.output.iterdir())}


@pytest.mark.parametrize("engine", [("local", 3), pytest.param(("ray", 2), marks=pytest.mark.slow)])
def test_the_bytes_do_not_depend_on_who_does_the_work(
    engine: tuple[EngineKind, int], pages: SourceConfig, tmp_path: Path
) -> None:
    kind, num_processes = engine
    if kind == "ray":
        pytest.importorskip("ray")
    with Workers(1) as caller:
        expected = measure(pages, tmp_path, "caller", caller)
    with open_engine(kind, num_processes) as workers:
        assert measure(pages, tmp_path, "workers", workers) == expected
    assert len(expected) == 9


def test_a_killed_run_goes_on_where_it_was_and_ends_with_the_same_bytes(pages: SourceConfig, tmp_path: Path) -> None:
    with Workers(1) as workers:
        whole = measure(pages, tmp_path, "whole", workers)
        measure(pages, tmp_path, "killed", workers)
    kept = tmp_path / "killed" / "kept"
    untouched = (kept / "unit-00000" / "scores.parquet").stat().st_mtime_ns
    for path in (kept / "unit-00002").iterdir():  # as a kill leaves it: one unit not there, another half-written
        path.unlink()
    (kept / "unit-00002").rename(kept / ".unit-00002.tmp")
    (kept / ".unit-00002.tmp" / "documents.parquet").write_bytes(b"half")
    (tmp_path / "killed" / "output").rename(tmp_path / "killed" / "lost")

    with Workers(2) as workers:
        assert measure(pages, tmp_path, "killed", workers) == whole
    assert (kept / "unit-00000" / "scores.parquet").stat().st_mtime_ns == untouched


@pytest.mark.parametrize("num_missing", [0, 1, 4])
def test_keys_made_while_measuring_are_those_made_of_the_documents(
    num_missing: int, pages: SourceConfig, tmp_path: Path
) -> None:
    """Also where some units are from a session that made none."""
    corpus = CorpusConfig.model_validate({"sources": (pages,), "deduplicate": "minhash"})
    without = CorpusConfig.model_validate({"sources": (pages,), "deduplicate": "none"})
    (quantity,) = quantities_of(corpus, tmp_path)

    def derive(store: Store, asked: CorpusConfig, num_missing: int) -> tuple[str, dict[str, bytes]]:
        settings, files = MeasureSettings.of(corpus, pages), find_files(pages, tmp_path)
        with Workers(1) as workers:
            measured = steps.measure(settings, files=files, quality=None, corpus=asked, store=store, workers=workers)
            units = sorted(store.root.glob(".work/minhash-*/kept/unit-*"))
            assert len(units) == (4 if asked.deduplicate else 0)
            for folder in units[:num_missing]:
                shutil.rmtree(folder)
            derived = steps.derive(quantity, measured=measured, store=store, workers=workers)
        return derived.address, {str(path.relative_to(derived.path)): path.read_bytes() for path in derived.files("*")}

    alongside = derive(Store(tmp_path / "alongside"), corpus, num_missing)
    after = derive(Store(tmp_path / "after"), without, 0)
    assert alongside == after
    assert len(after[1]) == 4
    assert not list((tmp_path / "alongside" / ".work").glob("minhash-*"))
