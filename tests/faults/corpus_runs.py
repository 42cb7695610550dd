"""Curation runs of the command line on small inputs: begun, watched, killed, measured, and looked at afterwards."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import psutil
import yaml

from headrace.store import Artefact, RunFolder, Store
from headrace.trace import read_records

WORDS = (
    "the river that turns the wheel is cold and the miller who waits for it to rise has nothing to do but read and "
    "write of what was here before and what will be when the water comes down from the hills with snow in it again"
).split()
WATCH_SECONDS = 0.02
WORKER = "headrace.corpus.workers.process"
"""In the command line of every worker process."""


@dataclass(frozen=True)
class Finished:
    """A run that has ended, and what it took."""

    code: int
    messages: str
    seconds: float
    peak_bytes: int
    """Memory of the largest of its processes."""
    peak_tree_bytes: int
    """Memory of all its processes together, pages that they share counted for each."""


def write_recipe(folder: Path, *sources: Mapping[str, Any], **corpus: Any) -> Path:
    """A recipe `r.yaml` of nothing but a corpus, whose documents are all kept."""
    settings = {"hold_out": 0, "deduplicate": "none", **corpus, "sources": list(sources)}
    path = folder / "r.yaml"
    path.write_text(yaml.safe_dump({"name": "r", "seed": 1, "corpus": settings}))
    return path


def sentences(number: int, *, seed: int = 3, num_words: int = 30) -> list[str]:
    """Texts of which no two are equal."""
    choose = random.Random(seed)
    return [f"{' '.join(choose.choices(WORDS, k=num_words))} {index}." for index in range(number)]


def json_lines(texts: Iterable[str]) -> bytes:
    """A record for each text."""
    return b"".join(orjson.dumps({"text": text}) + b"\n" for text in texts)


def write_pages(folder: Path, number: int, *, num_words: int = 300) -> None:
    """Small files; 256 of them make a unit of work, so a few megabytes keep several workers busy."""
    folder.mkdir()
    for index, text in enumerate(sentences(number, num_words=num_words)):
        (folder / f"{index:05d}.txt").write_text(text)


@dataclass
class Running:
    """A run under way, in a process group of its own."""

    process: subprocess.Popen[bytes]
    messages_path: Path
    begun: float

    def family(self) -> list[psutil.Process]:
        """Its processes, the first one first."""
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def workers(self) -> list[psutil.Process]:
        """Those that do units of work."""
        return [process for process in self.family()[1:] if WORKER in " ".join(words_of(process))]

    def send(self, kind: signal.Signals) -> None:
        """Sends a signal to all its processes at once, as a terminal does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, kind)

    def end(self, timeout: float = 100) -> Finished:
        """Waits until it has ended, and looks at its memory meanwhile; killed after `timeout` seconds."""
        peak = tree = 0
        while self.process.poll() is None:
            sizes = [memory_of(process) for process in self.family()]
            peak, tree = max([peak, *sizes]), max(tree, sum(sizes))
            time.sleep(WATCH_SECONDS)
            if time.monotonic() - self.begun > timeout:
                self.send(signal.SIGKILL)
        seconds = time.monotonic() - self.begun
        return Finished(self.process.returncode, self.messages_path.read_text(), seconds, peak, tree)


def begin(recipe: Path, runs: Path, *, workers: int = 2, environment: Mapping[str, str] | None = None) -> Running:
    """Starts `headrace run`."""
    runs.mkdir(exist_ok=True)
    path = runs / "messages.txt"
    command = [sys.executable, "-m", "headrace", "run", str(recipe), "--runs", str(runs), "--workers", str(workers)]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", **(environment or {})}
    with path.open("wb") as messages:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=messages, env=surroundings, start_new_session=True
        )
    return Running(process, path, time.monotonic())


def run(recipe: Path, runs: Path, *, workers: int = 2, environment: Mapping[str, str] | None = None) -> Finished:
    """Runs `headrace run` to its end."""
    return begin(recipe, runs, workers=workers, environment=environment).end()


def memory_of(process: psutil.Process) -> int:
    """Resident memory at this moment; nothing if the process is gone."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def words_of(process: psutil.Process) -> list[str]:
    """The command line of a process; nothing if it is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def left_behind(runs: Path) -> list[psutil.Process]:
    """Processes that work on a folder of runs, or have lost the run they were started by."""
    found = []
    for process in psutil.process_iter(["cmdline", "ppid"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(runs) in words or (process.info["ppid"] == 1 and WORKER in words):
            found.append(process)
    return found


def artefact(runs: Path, step: str) -> Artefact:
    """What the finished run made in one kind of step."""
    (found,) = RunFolder(runs / "r").artefacts(step)
    return found


def kept_texts(runs: Path) -> list[str]:
    """The texts of the curated corpus, in order."""
    return [
        text for path in artefact(runs, "curate").files("train-*.parquet") for text in pl.read_parquet(path)["text"]
    ]


def quarantine(runs: Path) -> pl.DataFrame:
    """The damaged records of the finished run."""
    return pl.concat([pl.read_parquet(path) for path in artefact(runs, "curate").files("quarantine*.parquet")])


def content(runs: Path) -> str:
    """One digest for the bytes of every file of every artefact of the run, times left out."""
    digest = hashlib.sha256()
    for found in Store(runs / "store").artefacts():
        for name, record in sorted(found.manifest.files.items()):
            digest.update(f"{found.address}/{name} {record.sha256}\n".encode())
    return digest.hexdigest()


def events(runs: Path, name: str) -> list[dict[str, Any]]:
    """The events of that name in the trace of the run."""
    return [record for record in read_records(runs / "r" / "trace.jsonl") if record["name"] == name]


def print_figures(test: str, **figures: Any) -> None:
    """One JSON line: what a test measured."""
    rounded = {name: round(value, 2) if isinstance(value, float) else value for name, value in figures.items()}
    print(orjson.dumps({"test": test, **rounded}).decode())
