"""The rules over the scores, exact duplicates, and what is held out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from headrace.corpus.config import CorpusConfig
from headrace.corpus.decide.earlier import Earlier
from headrace.corpus.decide.rules import columns_of, failing_by_reason
from headrace.corpus.decide.shards import Shard, Shards
from headrace.corpus.decide.verdicts import Mask, Rows, Verdicts, halves
from headrace.corpus.presets import Rule

SEED_MASK = (1 << 64) - 1


def judge(config: CorpusConfig, shards: Shards, *, earlier: Earlier, folder: Path) -> Verdicts:
    """Every document of the run held against its source's rules. Reads score columns, a shard at a time."""
    rules = {source.name: config.rules_for(source) for source in config.sources}
    names = list(dict.fromkeys(rule.reason for listed in rules.values() for rule in listed))
    verdicts = Verdicts(shards.num_rows, names, folder, earlier.ids)
    for shard in shards:
        _judge_shard(shard, rules[shard.source], verdicts)
    return verdicts


def _judge_shard(shard: Shard, rules: Sequence[Rule], verdicts: Verdicts) -> None:
    always = ("id", "raw_id", "content_hash", "num_bytes", "language")
    columns = dict.fromkeys((*always, *(column for rule in rules for column in columns_of(rule))))
    scores, rows = shard.read_scores(list(columns)), shard.rows
    verdicts.reason[rows] = scores.select(first_reason(rules, verdicts.names)).to_series().to_numpy()
    verdicts.num_bytes[rows] = scores["num_bytes"].to_numpy()
    verdicts.content[rows] = halves(scores["content_hash"].to_list())
    verdicts.raw_ids.append(hash_raw_ids(scores["raw_id"]))
    if len(shard):
        verdicts.ids[rows] = np.frombuffer(bytes.fromhex("".join(scores["id"].to_list())), np.uint8).reshape(-1, 16)


def hash_raw_ids(raw_ids: pl.Series) -> npt.NDArray[np.uint64]:
    """64-bit hashes of the ids that are there, the same within a process."""
    return raw_ids.filter(raw_ids != "").hash().to_numpy()


def first_reason(rules: Sequence[Rule], names: Sequence[str]) -> pl.Expr:
    """The position in `names` of the first rule that fails, -1 if none does."""
    fails = failing_by_reason(rules)
    found = [pl.when(failed).then(pl.lit(names.index(reason), pl.Int16)) for reason, failed in fails.items()]
    return pl.coalesce([*found, pl.lit(-1, pl.Int16)]) if found else pl.repeat(-1, pl.len(), dtype=pl.Int16)


def hold_out(verdicts: Verdicts, shards: Shards, share: float, *, seed: int) -> None:
    """Marks the content that becomes validation: of each source, what comes first in the order keyed by the seed.

    A document's content decides, so equal documents are never on both sides, whatever deduplication left in.
    """
    if share == 0:
        return
    passes, chosen = verdicts.passes, list[Rows]()
    for source in shards.documents:
        spans = [np.arange(shard.first, shard.end) for shard in shards if shard.source == source]
        rows = np.concatenate(spans)
        rows = rows[passes[rows]]
        content = verdicts.content[rows]
        order = np.lexsort((content[:, 1], content[:, 0], _keyed_order(content, seed)))
        chosen.append(rows[order[: num_held_out(len(rows), share)]])
    held = np.concatenate(chosen) if chosen else np.empty(0, np.int64)
    verdicts.is_validation[:] = passes & _is_content_of(verdicts, held)


def _keyed_order(content: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """(N,) places of contents, whose hashes are given in halves, in an order that the seed decides."""
    text, key = content.astype(">u8").tobytes().hex().encode(), seed & SEED_MASK
    hashes = (xxhash.xxh3_64_intdigest(text[begin : begin + 32], key) for begin in range(0, len(text), 32))
    return np.fromiter(hashes, np.uint64, len(content))


def _is_content_of(verdicts: Verdicts, rows: Rows) -> Mask:
    """Which documents of the run have the content of one of `rows`."""
    candidates = np.isin(verdicts.content[:, 1], verdicts.content[rows, 1])
    wanted = {tuple(pair) for pair in verdicts.content[rows].tolist()}
    found = np.flatnonzero(candidates)
    candidates[found] = [tuple(pair) in wanted for pair in verdicts.content[found].tolist()]
    return candidates


def num_held_out(num_documents: int, fraction: float) -> int:
    """How many of a source's documents are held out: the nearest number, but at least one stays on each side."""
    if num_documents < 2 or fraction == 0:
        return 0
    return min(max(round(fraction * num_documents), 1), num_documents - 1)
