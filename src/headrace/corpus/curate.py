"""Documents that pass the rules, once each, in two splits, and the ledger of all of them."""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from headrace.corpus.columns import QUARANTINE
from headrace.corpus.config import CorpusConfig
from headrace.corpus.cuts import Cuts, join
from headrace.corpus.decide.alike import drop_alike
from headrace.corpus.decide.best import drop_low_quality
from headrace.corpus.decide.contamination import remove_contamination
from headrace.corpus.decide.context import AUGMENT_TABLES, Context, CurateInputs
from headrace.corpus.decide.copy import EMPTIED, SPLITS, copy_documents, cut_sample, plan_copies, read_removed
from headrace.corpus.decide.earlier import key_file_name, read_earlier, write_kept_keys
from headrace.corpus.decide.examples import Examples
from headrace.corpus.decide.judge import hold_out, judge
from headrace.corpus.decide.ledger import LedgerWriter, ledger_frames
from headrace.corpus.decide.parts import find_parts
from headrace.corpus.decide.proportions import choose_proportions
from headrace.corpus.decide.rules import check_rules
from headrace.corpus.decide.shards import Shards, frame_of
from headrace.corpus.decide.summary import Tally, check_not_empty
from headrace.corpus.decide.what_if import what_if
from headrace.corpus.deduplicate.config import MinHashConfig
from headrace.corpus.first_use import FirstUse, ensure_compiled
from headrace.corpus.kept import place
from headrace.corpus.quantity import KEYS_FILE, first_uses, quantity_of
from headrace.corpus.reasons import NOTHING_LEFT
from headrace.corpus.rewrite.config import AugmentConfig
from headrace.corpus.tables import arrow_schema, open_writer
from headrace.corpus.workers import Workers
from headrace.store import Artefact, Workspace
from headrace.trace import progress, span


def curate(
    config: CorpusConfig, inputs: CurateInputs, *, seed: int, workspace: Workspace, workers: Workers, memory_limit: int
) -> dict[str, Any]:
    """Fills `workspace.output` with both splits, the ledger, the gathered quarantine and examples; returns counts.

    memory_limit: bytes that deduplication may take, besides about 70 a document.
    Raises RecipeError if a rule cannot be evaluated, InputError if a split would be empty.
    """
    check_rules(config)
    shards = Shards.of(inputs.measured)
    with span("judge"):
        earlier = read_earlier(inputs.earlier)
        verdicts = judge(config, shards, earlier=earlier, folder=workspace.kept)
    context = Context(
        config=config,
        shards=shards,
        verdicts=verdicts,
        earlier=earlier,
        derived=inputs.derived,
        recipe_folder=inputs.recipe_folder,
        seed=seed,
        kept=workspace.kept,
        workers=workers,
        memory_limit=memory_limit,
    )
    thresholds = drop_low_quality(context)
    contamination = remove_contamination(context)
    drop_alike(context)
    hold_out(verdicts, shards, config.hold_out, seed=seed)
    mixed = choose_proportions(context)
    with span("copy"):
        _copy_all(context, join([contamination.cuts, find_parts(context)]), workspace.output)
    _write_keys(context, workspace.output)
    quarantine = pl.concat([read_quarantine(artefact) for artefact in inputs.measured.values()])
    summary = _write_ledger(context, quarantine, workspace.output)
    check_not_empty(summary, config)
    _write_quarantine(quarantine, workspace.output)
    _write_json(workspace.output / "sources.json", describe_sources(config, inputs.measured))
    _write_json(workspace.output / "contamination.json", contamination.hits)
    rules = {source.name: config.rules_for(source) for source in config.sources}
    _write_json(workspace.output / "what-if.json", what_if(shards, rules))
    return {
        **summary,
        "repeated_ids": verdicts.num_repeated_raw_ids,
        "contamination": contamination.sets,
        "mix": mixed,
        "thresholds": thresholds,
    }


def kernels_after_measuring(config: CorpusConfig) -> list[FirstUse]:
    """Most of the kernels that deriving and curating use."""
    quantities = (quantity_of(step, Path()) for step in config.deduplicate)
    return [*first_uses([quantity for quantity in quantities if quantity]), *_kernels_of_copying(config)]


def _kernels_of_copying(config: CorpusConfig) -> list[FirstUse]:
    rules = {rule for source in config.sources for rule in config.line_rules_for(source)}
    return [FirstUse("cuts", partial(cut_sample, tuple(sorted(rules))))] if rules else []


def read_quarantine(measured: Artefact) -> pl.DataFrame:
    """The damaged records of a source."""
    return pl.concat([frame_of(path, list(QUARANTINE)) for path in measured.files("quarantine-*.parquet")])


def describe_sources(config: CorpusConfig, measured: Mapping[str, Artefact]) -> dict[str, Any]:
    """Source name -> the artefact that holds its measured documents, and its rules written out: what `why` needs."""
    return {
        source.name: {
            "measured": measured[source.name].address,
            "rules": [rule.as_json() for rule in config.rules_for(source)],
        }
        for source in config.sources
    }


def _copy_all(context: Context, cuts: Cuts, output: Path) -> None:
    """Writes both splits, and notes in the verdicts what was cut, and which documents nothing was left of."""
    config, verdicts = context.config, context.verdicts
    for kernels in _kernels_of_copying(config):
        ensure_compiled(kernels)
    tasks = plan_copies(
        context.shards,
        verdicts,
        cuts=cuts,
        line_rules={source.name: config.line_rules_for(source) for source in config.sources},
        folder=context.kept,
        augment=_with_tables(config.augment, context.recipe_folder),
    )
    total_bytes, done_bytes, first = sum(task.num_bytes for task in tasks), 0, 0
    written: Counter[str] = Counter()
    for task in context.workers.map(copy_documents, tasks):
        for split in SPLITS:
            if (path := task.folder / f"{split}.parquet").exists():
                place(path, output / f"{split}-{written[split]:05d}.parquet")
                written[split] += 1
        removed = read_removed(task)
        verdicts.removed_bytes[first : first + len(removed)] = np.maximum(removed, 0)
        verdicts.drop(first + np.flatnonzero(removed == EMPTIED), NOTHING_LEFT)
        first += len(removed)
        done_bytes += task.num_bytes
        progress("curate", done_bytes, total_bytes, unit="bytes")


def _write_keys(context: Context, output: Path) -> None:
    """Keeps the MinHash keys of what is kept, for later runs that name this one as earlier."""
    for step in context.config.deduplicate:
        quantity = quantity_of(step, context.recipe_folder)
        if quantity is not None and isinstance(step, MinHashConfig):
            files = context.derived_files(quantity.key, KEYS_FILE)
            path = output / key_file_name(quantity.key)
            write_kept_keys(path, context.shards, files=files, passes=context.verdicts.passes)


def _with_tables(config: AugmentConfig | None, folder: Path) -> AugmentConfig | None:
    """The same with its tables found from anywhere."""
    if config is None:
        return None
    given = {name: path for name in AUGMENT_TABLES if (path := getattr(config, name)) is not None}
    return config.model_copy(update={name: str((folder / path).absolute()) for name, path in given.items()})


def _write_ledger(context: Context, quarantine: pl.DataFrame, output: Path) -> dict[str, Any]:
    """Writes the ledger and examples of what was dropped; returns the counts."""
    tally, examples, config = Tally(), Examples(context.shards), context.config
    with LedgerWriter(output) as writer:
        frames = ledger_frames(config, context.shards, context.verdicts)
        for shard, frame in zip(context.shards, frames, strict=True):
            tally.add(frame)
            examples.add(frame, shard)
            writer.add(frame)
    rules = {source.name: config.rules_for(source) for source in config.sources}
    _write_json(output / "examples.json", examples.describe(rules, context.shards.documents))
    return tally.summary(context.verdicts.names, quarantine=quarantine)


def _write_quarantine(quarantine: pl.DataFrame, output: Path) -> None:
    with open_writer(output / "quarantine.parquet", QUARANTINE) as writer:
        writer.write_table(quarantine.to_arrow().cast(arrow_schema(QUARANTINE)))


def _write_json(path: Path, value: Any) -> None:
    path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2))
