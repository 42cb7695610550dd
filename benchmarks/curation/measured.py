"""One contender on one input: what it cost, and what it kept."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from curation.contenders import Contender
from curation.environments import last_line
from curation.inputs import Input, Inputs

START_DOCUMENTS = 20


@dataclass(frozen=True, slots=True)
class Run:
    """What one run cost, all its processes together."""

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Result:
    """A contender's runs on an input."""

    name: str
    version: str
    remark: str
    megabytes: float
    num_documents: int
    runs: tuple[Run, ...]
    start_cpu_seconds: float
    """CPU time of a run on a handful of documents: interpreter, imports, dictionaries."""
    kept: frozenset[str] = field(repr=False)

    @property
    def speeds(self) -> tuple[float, float, float]:
        """Text MB per CPU second, start included: median, least, most."""
        found = sorted(self.megabytes / run.cpu_seconds for run in self.runs)
        return statistics.median(found), found[0], found[-1]

    @property
    def speed_without_start(self) -> float:
        """Text MB per CPU second after the start: what a large input approaches."""
        cpu = statistics.median(run.cpu_seconds for run in self.runs) - self.start_cpu_seconds
        return self.megabytes / max(cpu, 1e-3)

    @property
    def peak_megabytes(self) -> float:
        return max(run.peak_bytes for run in self.runs) / 1e6

    @property
    def kept_share(self) -> float:
        return len(self.kept) / self.num_documents

    def as_json(self) -> dict[str, Any]:
        """Every figure; of the kept documents the number."""
        median, least, most = self.speeds
        return {
            **{name: getattr(self, name) for name in ("name", "version", "remark", "megabytes", "num_documents")},
            "runs": [asdict(run) for run in self.runs],
            "start_cpu_seconds": self.start_cpu_seconds,
            "megabytes_per_cpu_second": median,
            "slowest": least,
            "fastest": most,
            "without_start": self.speed_without_start,
            "kept": len(self.kept),
        }


@dataclass(frozen=True, slots=True)
class Bench:
    """How everything is run."""

    inputs: Inputs
    scratch: Path
    """Folder for outputs, each removed after its run."""
    core: str
    repeats: int

    def measure(self, contender: Contender, source: Input) -> Result | None:
        """The contender on the input, or on the part that it gets; None, and a line to the terminal, if it fails."""
        part = self.inputs.part(source, contender.largest_megabytes)
        few = self.inputs.first(part, START_DOCUMENTS)
        try:
            self.run(contender, few)  # fills the caches of the file system and of compiled code
            starts = [self.run(contender, few)[0].cpu_seconds for _ in range(self.repeats)]
            done = [self.run(contender, part) for _ in range(self.repeats)]
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{contender.name}: skipped: {error}", file=sys.stderr)
            return None
        kept = {found for _, found, _ in done}
        if len(kept) > 1:
            print(f"{contender.name}: kept {sorted(map(len, kept))} documents in equal runs", file=sys.stderr)
        return Result(
            contender.name, done[0][2], contender.remark, part.megabytes, part.num_documents,
            tuple(run for run, _, _ in done), statistics.median(starts), done[0][1],
        )  # fmt: skip

    def run(
        self, contender: Contender, source: Input, *, caches: Path | None = None, core: str | None = None
    ) -> tuple[Run, frozenset[str], str]:
        """(cost, kept ids, version) of one run. `caches`: folder in place of the user's caches."""
        with TemporaryDirectory(dir=self.scratch) as folder:
            output = Path(folder)
            command = contender.command(source, output)
            result = output / "cost.json"
            launcher = [sys.executable, str(Path(__file__).with_name("one_core.py")), core or self.core, str(result)]
            fresh = {"NUMBA_CACHE_DIR": str(caches), "XDG_CACHE_HOME": str(caches)} if caches else {}
            done = subprocess.run(
                [*launcher, *command.words], capture_output=True, text=True, errors="replace", check=False, cwd=output,
                env={**os.environ, **fresh},
            )  # fmt: skip
            if done.returncode:
                raise OSError(f"exit code {done.returncode}: {last_line(done.stderr)}")
            return Run(**json.loads(result.read_text())), frozenset(contender.kept(output)), command.version


def agreement(one: Result, other: Result, ids: Iterable[str]) -> float:
    """Share of documents, among those that both were given, on which both decide alike."""
    common = list(ids)[: min(one.num_documents, other.num_documents)]
    return statistics.mean((document in one.kept) == (document in other.kept) for document in common)
