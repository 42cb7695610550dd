"""Parts that kept documents have in common: lines, paragraphs, passages. The first copy stays, the others are cut."""

from functools import partial
from pathlib import Path

import numpy as np

from headrace.corpus.cuts import Cuts, join
from headrace.corpus.decide.context import Context
from headrace.corpus.decide.sweep import ShardTask, Sweep
from headrace.corpus.deduplicate.anchors import collect_anchors, mark_repeated
from headrace.corpus.deduplicate.config import LineConfig
from headrace.corpus.deduplicate.lines import line_cuts, line_hashes
from headrace.corpus.deduplicate.occurrences import Repeated, find_repeated, write_line_hashes
from headrace.corpus.deduplicate.substrings import collect_runs, resolve
from headrace.corpus.deduplicate.text_config import SubstringsConfig
from headrace.trace import span

HASHES = "hashes.npy"


def find_parts(context: Context) -> Cuts:
    """What goes of the kept documents by every such step of the recipe, rows counted through the run."""
    found: list[Cuts] = []
    kept = np.flatnonzero(context.verdicts.copies)
    for step in context.config.deduplicate:
        if isinstance(step, LineConfig | SubstringsConfig):
            sweep = Sweep(context, kept, name=step.method, settings=step.model_dump_json())
            with span(step.method):
                found.append(_find_lines(sweep, step) if isinstance(step, LineConfig) else _find_passages(sweep, step))
    return join(found)


def _find_lines(sweep: Sweep, config: LineConfig) -> Cuts:
    """Repeated lines or paragraphs."""
    context = sweep.context
    folders = sweep.stage("hashes", partial(_hash_lines, config))
    repeated = find_repeated(
        [folder / HASHES for folder in folders],
        config,
        folder=sweep.scratch / "repeated",
        memory_limit_bytes=context.memory_limit,
        num_processes=context.workers.num_processes,
        map_function=context.workers.map,
    )
    return join(list(context.workers.map(partial(_cut_lines, config, repeated), sweep.tasks("cuts"))))


def _find_passages(sweep: Sweep, config: SubstringsConfig) -> Cuts:
    """Repeated passages, through the stages of `deduplicate.substrings`."""
    workers, limit = sweep.context.workers, sweep.context.memory_limit // sweep.context.workers.num_processes
    anchors, table = sweep.stage("anchors", partial(_collect_anchors, config)), sweep.scratch / "repeated.npy"
    mark_repeated(anchors, table, memory_limit_bytes=limit, map_function=workers.map)
    runs, ranges = sweep.stage("runs", partial(_collect_runs, config, table)), sweep.scratch / "ranges"
    ranges.mkdir(exist_ok=True)
    return resolve(runs, config, scratch=ranges, memory_limit_bytes=limit, map_function=workers.map)


def _hash_lines(config: LineConfig, task: ShardTask) -> None:
    task.ensure(lambda folder: write_line_hashes(folder / HASHES, line_hashes(task.texts(), config)))


def _cut_lines(config: LineConfig, repeated: Repeated, task: ShardTask) -> Cuts:
    cuts = line_cuts(task.texts(), config, repeated.of_unit(task.number))
    return Cuts(task.rows[cuts.rows], cuts.begins, cuts.ends)


def _collect_anchors(config: SubstringsConfig, task: ShardTask) -> None:
    task.ensure(lambda folder: collect_anchors(task.texts(), config, folder))


def _collect_runs(config: SubstringsConfig, table: Path, task: ShardTask) -> None:
    task.ensure(lambda folder: collect_runs(task.texts(), task.rows, config, table=table, folder=folder))
