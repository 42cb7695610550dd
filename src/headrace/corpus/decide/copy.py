"""Copies the chosen documents out of the measured shards: read, filter, cut, write; nothing is measured again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.corpus.columns import DOCUMENTS
from headrace.corpus.cuts import Cuts, join, remove
from headrace.corpus.decide.shards import Shard, Shards
from headrace.corpus.decide.verdicts import Mask, Rows, Verdicts
from headrace.corpus.deduplicate.gaps import close_gaps
from headrace.corpus.kept import ensure_unit
from headrace.corpus.presets import Cut
from headrace.corpus.rewrite.config import AugmentConfig
from headrace.corpus.tables import TableWriter, arrow_schema, stored
from headrace.corpus.texts import Texts

SPLITS = ("train", "validation")
SHARD_BYTES = 64_000_000

Cutter = Callable[[Texts], Cuts]


@dataclass(frozen=True, slots=True)
class ShardCopy:
    """A measured shard and what is to become of its rows."""

    documents: Path
    copies: npt.NDArray[np.int32]
    """Per row, how often it is written."""
    is_validation: Mask
    cuts: Cuts
    """Of the rows of this shard, found by comparing documents."""
    line_rules: tuple[Cut, ...]
    """Names of the rules that cut lines of a document by what they are."""


@dataclass(frozen=True, slots=True)
class CopyTask:
    """Shards whose kept documents make one shard of each split."""

    shards: tuple[ShardCopy, ...]
    folder: Path
    num_bytes: int
    augment: AugmentConfig | None

    def __str__(self) -> str:
        return f"documents from {self.shards[0].documents} on"


REMOVED = "removed.npy"
EMPTIED = -1


def plan_copies(
    shards: Shards,
    verdicts: Verdicts,
    *,
    cuts: Cuts,
    line_rules: dict[str, tuple[Cut, ...]],
    folder: Path,
    augment: AugmentConfig | None,
) -> list[CopyTask]:
    """Groups shards, in order, so that a group holds about `SHARD_BYTES` of kept text."""
    groups: list[list[Shard]] = []
    sizes: list[int] = []
    for shard in shards:
        kept_bytes = int((verdicts.num_bytes[shard.rows] * verdicts.copies[shard.rows]).sum())
        if not groups or sizes[-1] + kept_bytes > SHARD_BYTES:
            groups.append([])
            sizes.append(0)
        groups[-1].append(shard)
        sizes[-1] += kept_bytes
    return [
        CopyTask(
            tuple(_plan_shard(shard, verdicts, cuts=cuts, line_rules=line_rules[shard.source]) for shard in group),
            folder / f"copy-{index:05d}",
            size,
            augment,
        )
        for index, (group, size) in enumerate(zip(groups, sizes, strict=True))
    ]


def _plan_shard(shard: Shard, verdicts: Verdicts, *, cuts: Cuts, line_rules: tuple[Cut, ...]) -> ShardCopy:
    rows = shard.rows
    return ShardCopy(
        shard.documents,
        verdicts.copies[rows].copy(),
        verdicts.is_validation[rows].copy(),
        cuts.of_rows(shard.first, shard.end),
        line_rules,
    )


def copy_documents(task: CopyTask) -> CopyTask:
    """Writes `train.parquet` and `validation.parquet`, each only if it has rows, into the task's folder.

    `removed.npy` tells per row of the task's shards how many bytes were cut, or that nothing was left.
    """
    ensure_unit(task.folder, partial(_copy, task))
    return task


def read_removed(task: CopyTask) -> Rows:
    """Per row of the task's shards, bytes that were cut; `EMPTIED` where no text was left and so nothing written."""
    removed: Rows = np.load(task.folder / REMOVED)
    return removed


def _copy(task: CopyTask, folder: Path) -> None:
    removed: list[Rows] = []
    with ExitStack() as stack:
        writers: dict[str, TableWriter] = {}
        for shard in task.shards:
            removed.append(np.zeros(len(shard.copies), np.int64))
            for split, table in _pieces(shard, removed[-1], task):
                if split not in writers:
                    writers[split] = stack.enter_context(TableWriter(folder / f"{split}.parquet", DOCUMENTS))
                writers[split].add(table)
    np.save(folder / REMOVED, np.concatenate(removed))


def _pieces(shard: ShardCopy, removed: Rows, task: CopyTask) -> Iterator[tuple[str, pa.Table]]:
    """What goes to each split, a row group of the measured shard at a time; fills `removed`."""
    if not shard.copies.any():
        return
    with stored(shard.documents) as parquet:
        first = 0
        for index in range(parquet.num_row_groups):
            num_rows = parquet.metadata.row_group(index).num_rows
            rows = slice(first, first + num_rows)
            first += num_rows
            if shard.copies[rows].any():
                table = parquet.read_row_group(index, use_threads=False)
                yield from _split(table, shard, rows=rows, removed=removed[rows], task=task)


def _split(
    table: pa.Table, shard: ShardCopy, *, rows: slice, removed: Rows, task: CopyTask
) -> Iterator[tuple[str, pa.Table]]:
    chosen = np.flatnonzero(shard.copies[rows])
    places = chosen  # of the chosen rows in the table
    if len(shard.cuts) or shard.line_rules:
        table, removed[chosen] = _cut(
            table.take(chosen), _cuts_of(shard.cuts, rows, chosen), line_rules=shard.line_rules
        )
        places = np.flatnonzero(removed[chosen] != EMPTIED)
        chosen = chosen[places]
    copies, is_validation = shard.copies[rows][chosen], shard.is_validation[rows][chosen]
    for split in SPLITS:
        of_split = np.flatnonzero(is_validation == (split == "validation"))
        if not len(of_split):
            continue
        picked = _take(table, places[np.repeat(of_split, copies[of_split])])
        if task.augment is not None and split == "train":
            picked = pa.concat_tables([picked, _altered(picked, task.augment)])
        yield split, picked


def _take(table: pa.Table, rows: Rows) -> pa.Table:
    """Some rows of a table; the table itself if they are all of its rows, once each and in order."""
    return table if np.array_equal(rows, np.arange(table.num_rows)) else table.take(rows)


def _cuts_of(cuts: Cuts, rows: slice, chosen: Rows) -> Cuts:
    """The cuts of some rows of a slice, with rows counted among them."""
    found = cuts.of_rows(rows.start, rows.stop)
    wanted = np.isin(found.rows, chosen)
    return Cuts(np.searchsorted(chosen, found.rows[wanted]), found.begins[wanted], found.ends[wanted])


def _cut(table: pa.Table, cuts: Cuts, *, line_rules: Sequence[Cut]) -> tuple[pa.Table, Rows]:
    """The table with shorter texts; per row the bytes that went, or `EMPTIED` where only white space is left."""
    texts = Texts.from_arrow(table["text"].combine_chunks())
    cuts = join([cuts, *(cutter(texts) for cutter in line_cutters(line_rules))])
    shorter = remove(texts, close_gaps(texts, cuts))
    removed = texts.sizes - shorter.sizes
    for row in np.flatnonzero(removed).tolist():
        if not shorter[row].strip():
            removed[row] = EMPTIED
    place = table.schema.get_field_index("text")
    return table.set_column(place, table.schema.field(place), shorter.to_arrow().cast(pa.string())), removed


def cut_sample(line_rules: Sequence[Cut]) -> None:
    """Cuts a small table, for the sake of the kernels that get compiled by it."""
    table = pa.table({"text": ["One line of a text.\nMENU"]}, schema=arrow_schema({"text": "string"}))
    _cut(table, Cuts.none(), line_rules=line_rules)


def _altered(table: pa.Table, config: AugmentConfig) -> pa.Table:
    """Altered copies of training documents."""
    from headrace.corpus.rewrite.augment import augment_document  # here because few recipes write copies

    rows = []
    for document in table.to_pylist():
        copies = augment_document(
            document["text"],
            document_id=document["id"],
            language=document["language"],
            metadata=document["metadata"],
            split="train",
            config=config,
        )
        rows += [{**document, "id": copy.id, "text": copy.text, "metadata": copy.metadata} for copy in copies]
    return pa.Table.from_pylist(rows, schema=table.schema)


def line_cutters(names: Sequence[Cut]) -> list[Cutter]:
    """What each named line rule cuts out of texts."""
    if not names:
        return []
    from headrace.corpus.measure.line_cuts import c4_cuts, refinedweb_cuts  # here because few recipes cut lines

    cutters: dict[Cut, Cutter] = {
        "c4": partial(c4_cuts, terminal_punctuation=True),
        "c4_any_end": partial(c4_cuts, terminal_punctuation=False),
        "refinedweb": refinedweb_cuts,
    }
    return [cutters[name] for name in names]
