"""Kernels are compiled once, before many would do it, and by two processes where there are two cores."""

import os
from functools import partial
from pathlib import Path

import pytest

from headrace.corpus import first_use
from headrace.corpus.curate import kernels_after_measuring
from headrace.corpus.first_use import FirstUse, ensure_compiled
from headrace.recipe.schema import CorpusConfig
from headrace.trace import recording


def note(path: Path) -> None:
    """Stands for using kernels: leaves the number of the process that did."""
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")


def die() -> None:
    os.abort()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kept = tmp_path / "kernels"
    kept.mkdir()
    monkeypatch.setattr(first_use, "cache_folder", lambda: kept)
    return kept


def test_kernels_are_used_first_by_one_process_and_once(folder: Path, tmp_path: Path) -> None:
    kernels = FirstUse("some", partial(note, tmp_path / "notes"))
    ensure_compiled(kernels)
    ensure_compiled(kernels)

    assert (tmp_path / "notes").read_text() == f"{os.getpid()}\n"
    assert (folder / "some.compiled").exists()


def test_a_user_is_told_what_is_compiled(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_use, "_num_cores", lambda: 1)
    heard: list[object] = []
    with recording(None, [lambda record: heard.append(record.get("kernels"))]):
        ensure_compiled(FirstUse("some", int), later=[FirstUse("others", int)])

    assert heard == ["some", "some"]
    assert not (folder / "others.compiled").exists()


def test_a_helper_that_dies_leaves_its_kernels_to_those_who_want_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_use, "_num_cores", lambda: 2)
    ensure_compiled(FirstUse("some", int), later=[FirstUse("others", die)])

    assert (folder / "some.compiled").exists()
    assert not (folder / "others.compiled").exists()


def test_what_a_helper_compiles_is_what_is_used_later(tmp_path: Path) -> None:
    """In processes of their own: the helper keeps its kernels, and the caller finds them of the right types."""
    import subprocess
    import sys

    code = """
import sys
from pathlib import Path
from headrace.corpus.curate import kernels_after_measuring
from headrace.corpus.first_use import FirstUse, ensure_compiled
from headrace.corpus.config import CorpusConfig, SourceConfig
from headrace.corpus.deduplicate.minhash import band_keys, sign
from headrace.corpus.deduplicate.config import MinHashConfig
from headrace.corpus.texts import Texts
from headrace.corpus import first_use

first_use._num_cores = lambda: 2
config = CorpusConfig(sources=[SourceConfig(name="some", path="x.jsonl")], deduplicate="minhash")
later = kernels_after_measuring(config)
ensure_compiled(FirstUse("none", int), later=later)
band_keys(Texts.from_strings(["another text"]), MinHashConfig())
print([each.name for each in later], sum(sign.stats.cache_hits.values()), sum(sign.stats.cache_misses.values()))
"""
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)

    assert done.stdout == "['minhash'] 1 0\n"


def test_no_kernels_of_their_own_without_a_step_that_has_some() -> None:
    config = CorpusConfig.model_validate(
        {"sources": [{"name": "some", "path": "x.jsonl"}], "curate": [], "deduplicate": "none"}
    )

    assert kernels_after_measuring(config) == []
