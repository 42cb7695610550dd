"""Documents that pass the rules, once each, in two splits, and the ledger of all of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from headrace.corpus.columns import LEDGER, QUARANTINE, SCORES
from headrace.corpus.config import CorpusConfig
from headrace.corpus.decide import decide
from headrace.corpus.examples import pick_examples
from headrace.corpus.kept import place
from headrace.corpus.materialize import SPLITS, copy_documents, plan_copies, shards_of
from headrace.corpus.rules import check_rules
from headrace.corpus.summary import check_not_empty, summarize
from headrace.corpus.tables import arrow_schema, open_writer, read_table
from headrace.corpus.workers import Workers
from headrace.store import Artefact, Workspace
from headrace.trace import progress

CURATE_VERSION = 1

LEDGER_ROWS = 1_000_000


def curate(
    config: CorpusConfig, *, seed: int, measured: Mapping[str, Artefact], workspace: Workspace, workers: Workers
) -> dict[str, Any]:
    """Fills `workspace.output` with both splits, the ledger, the gathered quarantine and examples; returns counts.

    measured: source name -> what `measure_source` made of it.
    Raises RecipeError if a rule cannot be evaluated, InputError if a split would be empty.
    """
    check_rules(config)
    names = [source.name for source in config.sources]
    scores = {name: read_scores(measured[name]) for name in names}
    ledger = decide(config, scores, seed=seed).select(list(LEDGER))
    quarantine = pl.concat([read_quarantine(measured[name]) for name in names])
    summary = summarize(config, ledger, quarantine=quarantine)
    check_not_empty(summary, config)
    documents = {name: measured[name].files("documents-*.parquet") for name in names}
    _copy_all(ledger, documents, workspace=workspace, workers=workers)
    _write_ledger(ledger, workspace.output)
    _write_quarantine(quarantine, workspace.output)
    _write_json(workspace.output / "sources.json", describe_sources(config, measured))
    _write_json(workspace.output / "examples.json", pick_examples(config, ledger, documents=documents))
    return summary


def read_scores(measured: Artefact) -> pl.DataFrame:
    """The score columns of a source's documents, and `shard`, the number of the shard that holds each."""
    frames = [
        _frame(path, list(SCORES)).with_columns(shard=pl.lit(index, pl.Int32))
        for index, path in enumerate(measured.files("scores-*.parquet"))
    ]
    return pl.concat(frames)


def read_quarantine(measured: Artefact) -> pl.DataFrame:
    """The damaged records of a source."""
    return pl.concat([_frame(path, list(QUARANTINE)) for path in measured.files("quarantine-*.parquet")])


def describe_sources(config: CorpusConfig, measured: Mapping[str, Artefact]) -> dict[str, Any]:
    """Source name -> the artefact that holds its measured documents, and its rules written out: what `why` needs."""
    return {
        source.name: {
            "measured": measured[source.name].address,
            "rules": [rule.as_json() for rule in config.rules_for(source)],
        }
        for source in config.sources
    }


def _frame(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    frame = pl.from_arrow(read_table(path, columns))
    assert isinstance(frame, pl.DataFrame), "a table is never a column"
    return frame


def _copy_all(
    ledger: pl.DataFrame, documents: Mapping[str, Sequence[Path]], *, workspace: Workspace, workers: Workers
) -> None:
    by_source = ledger.partition_by("source", as_dict=True, maintain_order=True)
    shards = [shard for (name,), rows in by_source.items() for shard in shards_of(rows, documents[name])]
    tasks = plan_copies(shards, workspace.kept)
    total_bytes, done_bytes = sum(task.num_bytes for task in tasks), 0
    written: Counter[str] = Counter()
    for task in workers.map(copy_documents, tasks):
        for split in SPLITS:
            if (path := task.folder / f"{split}.parquet").exists():
                place(path, workspace.output / f"{split}-{written[split]:05d}.parquet")
                written[split] += 1
        done_bytes += task.num_bytes
        progress("curate", done_bytes, total_bytes, unit="bytes")


def _write_ledger(ledger: pl.DataFrame, output: Path) -> None:
    for index, start in enumerate(range(0, ledger.height, LEDGER_ROWS)):
        with open_writer(output / f"ledger-{index:05d}.parquet", LEDGER) as writer:
            writer.write_table(ledger.slice(start, LEDGER_ROWS).to_arrow().cast(arrow_schema(LEDGER)))


def _write_quarantine(quarantine: pl.DataFrame, output: Path) -> None:
    with open_writer(output / "quarantine.parquet", QUARANTINE) as writer:
        writer.write_table(quarantine.to_arrow().cast(arrow_schema(QUARANTINE)))


def _write_json(path: Path, value: Any) -> None:
    path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2))
