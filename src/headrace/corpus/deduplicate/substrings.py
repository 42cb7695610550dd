"""Repeated passages: two passes over the text, in memory that does not grow with the corpus.

In: batches of kept documents, in units, twice. Out: `Cuts`, for every passage of at least `min_tokens` tokens that
came before, in the order of the ledger; a copy that overlaps its first is cut only beyond it.
Promises: the passages are exactly those that a suffix array over the corpus finds. It would hold the whole text and 5
to 9 bytes more for each of its bytes in memory, on one core; this needs 0.1 to 0.2 byte on disk for each byte of text,
and about 50 for each repeated token. Same cuts for any number of workers, any memory limit and any division into units.
Runs of tokens are compared by 128 bits of hash; among 10**12 runs the chance of one false pair is below 10**-11.

Not promised: a new dump without the text of the old ones. Their anchors may be given again, but `collect_runs` must
read them once more, because what was unique may now have a copy; cuts of earlier rows stay as they were.

    collect_anchors (each unit) -> mark_repeated -> collect_runs (each unit) -> resolve
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.cuts import Cuts
from headrace.corpus.deduplicate.anchors import HashRange, is_marked, parts_within
from headrace.corpus.deduplicate.partitions import MapFunction
from headrace.corpus.deduplicate.text_config import SubstringsConfig
from headrace.corpus.deduplicate.tokens import Hashes, Positions, Tokens, tokenize
from headrace.corpus.deduplicate.windows import chunks, find_anchors, run_hashes
from headrace.corpus.texts import Texts

HASHES, PLACES, DOCUMENTS = "hashes.npy", "places.npy", "documents.npy"
ROW_BITS = 32

PLACE = np.dtype([("position", np.int64), ("begin", np.int64), ("end", np.int64), ("skipped", np.int32)])
"""A run: its position, the bytes to cut, and how many of its tokens stay because its first copy overlaps it."""

IS_FIRST = -1
"""In `skipped`: nothing is cut, unless an earlier unit holds the same run."""


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """Runs of tokens that may occur twice, R of them, in the order of the ledger."""

    high: Hashes
    low: Hashes
    positions: Positions
    """Row << 32 | index of the first token."""
    begins: Positions
    """Bytes of the document before the run, up to its end, and before the token that follows it."""
    ends: Positions
    nexts: Positions


def collect_runs(texts: Texts, rows: Positions, config: SubstringsConfig, *, table: Path, folder: Path) -> None:
    """Writes a unit's runs of tokens that may occur twice into a folder that exists.

    rows: (N,) the documents' rows in the ledger, ascending. table: what `mark_repeated` wrote.
    """
    marked = np.load(table, mmap_mode="r")
    parts: list[_Runs] = []
    documents = [np.empty((3, 0), np.int64)]
    for first, part in chunks(texts):
        tokens = tokenize(part)
        rows_of_part = rows[first : first + len(part)]
        runs = _runs_of(tokens, rows_of_part, config.min_tokens, marked)
        if len(runs.high):
            parts.append(runs)
            documents.append(np.stack((rows_of_part, np.diff(tokens.firsts), part.sizes)))
    runs = _concatenate(parts)
    sources, firsts = _group(runs.high, runs.low)
    np.save(folder / HASHES, np.stack((runs.high[firsts], runs.low[firsts], runs.positions[firsts].view(np.uint64))))
    np.save(folder / PLACES, _places(runs, sources, config.min_tokens))
    np.save(folder / DOCUMENTS, np.concatenate(documents, axis=1))


def resolve(
    folders: Sequence[Path],
    config: SubstringsConfig,
    *,
    scratch: Path,
    memory_limit_bytes: int,
    map_function: MapFunction = map,
) -> Cuts:
    """What goes from every document, rows counted as in the ledger.

    folders: what `collect_runs` filled, in the order of the ledger. scratch: a folder for intermediate files.
    memory_limit_bytes: most that one task holds; a unit's own runs, 50 bytes each, are not counted.
    """
    num_runs = sum(np.load(folder / HASHES, mmap_mode="r").shape[1] for folder in folders)
    parts_log2 = parts_within(80 * num_runs, memory_limit_bytes)
    ranges = [HashRange(tuple(folders), index, parts_log2) for index in range(1 << parts_log2)]
    found = [scratch / f"repeated-{task.index:05d}.npy" for task in ranges]
    tasks = [_RangeTask(task, path) for task, path in zip(ranges, found, strict=True)]
    for _ in map_function(_find_repeats, tasks):
        pass
    units = [_UnitTask(folder, tuple(found), config) for folder in folders]
    cuts = [Cuts.none(), *map_function(_cut_unit, units)]
    return Cuts(*(np.concatenate([getattr(part, name) for part in cuts]) for name in ("rows", "begins", "ends")))


@dataclass(frozen=True, slots=True)
class _RangeTask:
    range: HashRange
    output: Path

    def __str__(self) -> str:
        return str(self.range)


@dataclass(frozen=True, slots=True)
class _UnitTask:
    folder: Path
    repeated: tuple[Path, ...]
    config: SubstringsConfig

    def __str__(self) -> str:
        return str(self.folder)


def _runs_of(tokens: Tokens, rows: Positions, length: int, marked: npt.NDArray[np.uint8]) -> _Runs:
    """The runs whose anchor is marked."""
    starts, _, anchors = find_anchors(tokens, length)
    starts = starts[is_marked(marked, anchors)]
    if not len(starts):
        return _concatenate([])
    documents = np.searchsorted(tokens.firsts, starts, side="right") - 1
    second_hashes = (tokens.hashes ^ np.uint64(0x2545F4914F6CDD1D)) * np.uint64(0xD1342543DE82EF95)
    second_hashes ^= second_hashes >> np.uint64(29)
    return _Runs(
        run_hashes(tokens.hashes, tokens.firsts, length)[starts],
        run_hashes(second_hashes, tokens.firsts, length)[starts],
        rows[documents] << ROW_BITS | starts - tokens.firsts[documents],
        tokens.begins[starts],
        tokens.ends[starts + length - 1],
        tokens.begins[np.minimum(starts + length, len(tokens.begins) - 1)],
    )


def _places(runs: _Runs, sources: Positions, length: int) -> npt.NDArray[np.void]:
    """Where each run lies and what to cut of it. A run that overlaps its first copy is cut from the copy's end on."""
    places = np.empty(len(sources), PLACE)
    places["position"], places["begin"], places["end"] = runs.positions, runs.begins, runs.ends
    skipped = np.maximum(runs.positions[sources] + length - runs.positions, 0)
    is_later = sources != np.arange(len(sources))
    places["skipped"] = np.where(is_later, skipped, IS_FIRST)
    overlaps = np.flatnonzero(is_later & (skipped > 0))
    places["begin"][overlaps] = runs.nexts[sources[overlaps]]
    return places


def _concatenate(parts: Sequence[_Runs]) -> _Runs:
    def joined(name: str) -> Positions:
        return np.concatenate([np.empty(0, np.int64), *(getattr(part, name).view(np.int64) for part in parts)])

    high, low = joined("high").view(np.uint64), joined("low").view(np.uint64)
    return _Runs(high, low, *(joined(name) for name in ("positions", "begins", "ends", "nexts")))


def _group(high: Hashes, low: Hashes) -> tuple[Positions, Positions]:
    """For each run the first that equals it; and all such first runs, sorted by `high`."""
    order = np.argsort(high)  # a stable sort would take three times as long
    differs_high, differs_low = (np.diff(values[order]) != 0 for values in (high, low))
    if (differs_low & ~differs_high).any():  # two kinds of runs share 64 bits
        order = np.lexsort((low, high))
        differs_high, differs_low = (np.diff(values[order]) != 0 for values in (high, low))
    begins = np.flatnonzero(np.concatenate(([True], differs_high | differs_low))[: len(order)])
    if not len(begins):
        return order, order
    firsts = np.minimum.reduceat(order, begins)
    sources = np.empty(len(order), np.int64)
    sources[order] = np.repeat(firsts, np.diff(begins, append=len(order)))
    return sources, firsts


def _find_repeats(task: _RangeTask) -> None:
    """Writes the positions of the range's runs that are the first in their unit but not in the corpus, sorted."""
    found = [np.empty((3, 0), np.uint64)]
    for folder in task.range.folders:
        hashes = np.load(folder / HASHES, mmap_mode="r")
        found.append(np.array(hashes[:, task.range.within(hashes[0])]))
    high, low, positions = np.concatenate(found, axis=1)
    sources, _ = _group(high, low)
    is_later = sources != np.arange(len(sources))
    np.save(task.output, np.sort(positions[is_later].astype(np.int64)))


def _cut_unit(task: _UnitTask) -> Cuts:
    """Merges a unit's repeated runs, and short rests between them, into cuts."""
    places = np.load(task.folder / PLACES)
    positions = places["position"]
    if not len(positions):
        return Cuts.none()
    for path in task.repeated:
        repeated = np.load(path, mmap_mode="r")
        here = slice(*np.searchsorted(repeated, (positions[0], positions[-1] + 1)))
        places["skipped"][np.searchsorted(positions, repeated[here])] = 0
    chosen = places[places["skipped"] != IS_FIRST]
    if not len(chosen):
        return Cuts.none()
    first_tokens, last_tokens = chosen["position"] + chosen["skipped"], chosen["position"] + task.config.min_tokens
    return _merge(
        np.stack((first_tokens, last_tokens, chosen["begin"], chosen["end"])),
        documents=np.load(task.folder / DOCUMENTS),
        least_rest=task.config.min_rest_tokens,
    )


def _merge(ranges: Positions, *, documents: Positions, least_rest: int) -> Cuts:
    """Cuts without short rests. ranges: (4, R) first and last token (with row), first and last byte."""
    first_tokens, last_tokens, first_bytes, last_bytes = ranges[:, np.argsort(ranges[0], kind="stable")]
    reach = np.maximum.accumulate(last_tokens)
    rows = first_tokens >> ROW_BITS
    is_new = np.concatenate(([True], (rows[1:] != rows[:-1]) | (first_tokens[1:] - reach[:-1] >= least_rest)))
    first = np.flatnonzero(is_new)
    last = np.append(first[1:], len(is_new)) - 1
    rows = rows[first]
    # bytes grow with tokens within a document, so the farthest byte of a merged cut is its largest
    end_bytes = np.maximum.reduceat(last_bytes, first)
    begin_bytes = first_bytes[first]
    place = np.searchsorted(documents[0], rows)
    num_tokens, sizes = documents[1:, place]
    mask = (1 << ROW_BITS) - 1
    begin_bytes = np.where(first_tokens[first] & mask < least_rest, 0, begin_bytes)
    is_near_end = num_tokens - (reach[last] - (rows << ROW_BITS)) < least_rest
    return Cuts(rows, begin_bytes, np.where(is_near_end, sizes, end_bytes))
