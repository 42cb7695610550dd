"""A corpus before it is made."""

from dataclasses import dataclass
from pathlib import Path

from headrace.corpus.config import CorpusConfig, SourceConfig
from headrace.corpus.decide.rules import check_rules
from headrace.corpus.discover import find_files
from headrace.corpus.raw_file import RawFile
from headrace.errors import RecipeError
from headrace.examples.config import TEXTS
from headrace.pipeline.compared import check_compared
from headrace.pipeline.options import RunOptions
from headrace.store import Artefact, RunFolder

HELD_OUT = 0.02
"""Share of the texts of examples that stages on rows are watched on."""


@dataclass(frozen=True)
class RawText:
    """A corpus that is yet to be made, checked as far as that goes without reading it."""

    corpus: CorpusConfig
    files: dict[str, list[RawFile]]
    earlier: dict[str, Artefact]

    @classmethod
    def find(cls, corpus: CorpusConfig, run: str, options: RunOptions) -> "RawText":
        check_rules(corpus)
        check_compared(corpus, options.recipe_folder)
        earlier = {name: _earlier(run, name, options.runs) for name in corpus.earlier}
        files = {source.name: find_files(source, options.recipe_folder) for source in corpus.sources}
        return cls(corpus, files, earlier)

    @classmethod
    def of_examples(cls, examples: Artefact) -> "RawText":
        """The texts of training examples, which stages read before they learn what their labels are."""
        source = SourceConfig(name=TEXTS, path=(TEXTS,))
        corpus = CorpusConfig(sources=(source,), measure="needed", hold_out=HELD_OUT)
        files = [RawFile(str(path), f"{TEXTS}/{path.name}") for path in sorted((examples.path / TEXTS).iterdir())]
        return cls(corpus, {TEXTS: files}, {})


def _earlier(run: str, name: str, runs: Path) -> Artefact:
    """The curated corpus of an earlier run. Raises InputError if there is none."""
    if name == run:
        raise RecipeError(f"corpus.earlier: {name} is this run itself. Name runs that came before it.")
    return RunFolder(runs / name).artefact("curate")
