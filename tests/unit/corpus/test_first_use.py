"""Kernels are compiled once, before many would do it, and by two processes where there are two cores."""

import os
import subprocess
import sys
import time
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


def note_slowly(path: Path) -> None:
    note(path)
    time.sleep(0.3)


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


def test_two_processes_that_want_the_same_kernels_compile_them_once(folder: Path, tmp_path: Path) -> None:
    kernels = FirstUse("some", partial(note_slowly, tmp_path / "notes"))
    children = []
    for _ in range(3):
        if (child := os.fork()) == 0:
            kernels.compile()
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)

    assert len((tmp_path / "notes").read_text().splitlines()) == 1


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
    assert run_with_empty_cache(code, tmp_path) == "['minhash'] 1 0\n"


def run_with_empty_cache(code: str, folder: Path) -> str:
    """What a program prints that finds no compiled kernels."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def test_kernels_that_workers_compile_are_told_of_once_while_they_do(tmp_path: Path) -> None:
    code = """
from headrace.corpus.decide.copy import cut_sample
from headrace.corpus.workers import Workers
from headrace.trace import recording

heard = []
with recording(None, [lambda record: heard.append(record)]), Workers(2) as workers:
    for _ in range(2):
        list(workers.map(cut_sample, [()]))
print([(record["name"], record["kernels"]) for record in heard])
"""
    assert run_with_empty_cache(code, tmp_path) == "[('compiling', 'gaps'), ('compiling', 'cuts')]\n"


def test_kernels_of_a_set_are_told_of_by_its_name_and_others_by_their_own(tmp_path: Path) -> None:
    code = """
import numpy as np
from functools import partial
from headrace.corpus.cuts import Cuts, remove
from headrace.corpus.decide.copy import cut_sample
from headrace.corpus.first_use import FirstUse, ensure_compiled
from headrace.corpus.texts import Texts
from headrace.trace import recording

heard = []
with recording(None, [lambda record: heard.append(record.get("kernels"))]):
    remove(Texts.from_strings(["one"]), Cuts.none())
    ensure_compiled(FirstUse("a set", partial(cut_sample, ())))
print(heard)
"""
    assert run_with_empty_cache(code, tmp_path) == "['cuts', 'a set', 'a set']\n"  # the last is how long it took


def test_no_kernels_of_their_own_without_a_step_that_has_some() -> None:
    config = CorpusConfig.model_validate(
        {"sources": [{"name": "some", "path": "x.jsonl"}], "curate": [], "deduplicate": "none"}
    )

    assert kernels_after_measuring(config) == []
