"""Who takes part in which job, how it is called, and where it leaves what it keeps."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from curation.environments import Environments
from curation.inputs import Input
from curation.kept import ids_in

PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and of which version."""

    words: tuple[str, ...]
    version: str


class Contender(Protocol):
    """A tool that does a job."""

    @property
    def name(self) -> str:
        """As in the table."""
        ...

    @property
    def largest_megabytes(self) -> float:
        """It gets no more of the input than this, so that the whole ends."""
        ...

    @property
    def remark(self) -> str:
        """What to know of how it does the job."""
        ...

    def command(self, source: Input, output: Path) -> Command:
        """How to do the job. Raises OSError if the tool cannot be had."""
        ...

    def kept(self, output: Path) -> set[str]:
        """Ids of the kept documents; empty for a contender that judges nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Headrace:
    """`headrace run` of a recipe, from the input to a published corpus with its ledger."""

    name: str
    executable: Path
    version: str
    corpus: dict[str, Any]
    """The recipe's section, without its sources."""
    largest_megabytes: float = float("inf")
    remark: str = "Parquet and the ledger of every document"

    def command(self, source: Input, output: Path) -> Command:
        sources = [{"name": "input", "path": source.path, "language": source.language}]
        recipe = {"name": "bench", "seed": 1, "corpus": {"sources": sources, "hold_out": 0, **self.corpus}}
        path = output / "recipe.yaml"
        path.write_text(yaml.safe_dump(recipe))
        options = ("--runs", str(output / "runs"), "--workers", "1", "--json")
        return Command((str(self.executable), "run", str(path), *options), self.version)

    def kept(self, output: Path) -> set[str]:
        return {
            json.loads(metadata)["id"]
            for path in sorted((output / "runs/store").glob("curate-*/train-*.parquet"))
            for metadata in ids_in(path, "metadata")
        }


@dataclass(frozen=True, slots=True)
class Peer:
    """A script of `peers/` in an environment of its own."""

    name: str
    environments: Environments = field(repr=False)
    environment: str
    package: str
    script: str
    job: str
    kept_files: str = "*"
    largest_megabytes: float = float("inf")
    remark: str = ""

    def command(self, source: Input, output: Path) -> Command:
        found = self.environments.get(self.environment, self.package)
        words = (str(found.python), str(PEERS / self.script), self.job, source.path, str(output))
        return Command(words, found.version)

    def kept(self, output: Path) -> set[str]:
        files = sorted(path for path in (output / "kept").glob(self.kept_files) if path.is_file())
        return {document for path in files for document in ids_in(path, "id")}


def peers_of(job: str, environments: Environments) -> list[Contender]:
    """The peers that can do a job."""
    return [Peer(environments=environments, **settings) for settings in PEERS_OF[job]]


_DATATROVE = {"name": "datatrove", "environment": "datatrove", "package": "datatrove", "script": "datatrove_jobs.py"}
_DATATROVE_FILTERS = {
    **_DATATROVE, "job": "filters", "remark": "its own words; what fails a filter skips the later ones",
}  # fmt: skip
_DATA_JUICER = {
    "name": "Data-Juicer", "environment": "data-juicer", "package": "py-data-juicer", "script": "data_juicer_jobs.py",
    "kept_files": "documents.jsonl",
}  # fmt: skip


def _library(name: str, remark: str) -> dict[str, Any]:
    where = {"environment": "libraries", "package": name, "script": "library_jobs.py", "job": name}
    return {"name": name, "remark": remark, **where}


PEERS_OF: dict[str, list[dict[str, Any]]] = {
    "filters": [
        _DATATROVE_FILTERS,
        {
            "name": "dolma", "environment": "dolma", "package": "dolma", "script": "dolma_jobs.py", "job": "filters",
            "remark": "taggers gopher_v2 and c4_v2, mixer with jq; no FineWeb rules",
        },
        {**_DATA_JUICER, "job": "filters", "remark": "its eight nearest operators"},
        {
            "name": "NeMo Curator", "environment": "nemo-curator", "package": "nemo-curator",
            "script": "nemo_curator_jobs.py", "job": "filters", "remark": "its 23 nearest filters, without Ray",
        },
    ],
    "filters-datatrove-words": [_DATATROVE_FILTERS],
    "chinese": [
        {**_DATATROVE, "job": "chinese", "remark": "jieba through spaCy", "largest_megabytes": 2},
        _library("rjieba", "segmentation alone"),
        _library("jieba", "segmentation alone"),
    ],
    "minhash": [
        {**_DATATROVE, "job": "minhash", "remark": "four stages"},
        {**_DATA_JUICER, "job": "minhash"},
        {
            "name": "text-dedup", "environment": "text-dedup", "package": "text-dedup", "script": "text_dedup_jobs.py",
            "job": "minhash", "kept_files": "*.arrow",
        },
        _library("datasketch", "a script around it"),
        _library("rensa", "a script around it, full-set signatures"),
    ],
}  # fmt: skip
