"""From hits to what leaves the corpus, and to a table of what was found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.corpus.cuts import Cuts, join
from headrace.corpus.decontaminate.config import DecontaminateConfig
from headrace.corpus.decontaminate.hits import Hits
from headrace.corpus.decontaminate.index import Index
from headrace.corpus.decontaminate.items import EvaluationItem
from headrace.corpus.deduplicate.tokens import Positions

CONTAMINATED = "contaminated"
"""The reason of a document that goes."""

MOST_ITEMS = 16
"""An n-gram that more items share counts for the first ones only: a passage that hundreds of questions quote."""

EXCERPT_CHARACTERS = 80


@dataclass(frozen=True, slots=True, eq=False)
class Contamination:
    """What the corpus shares with evaluation sets, and what goes for it."""

    rows: Positions
    """Documents that go as a whole, ascending."""

    cuts: Cuts
    """What goes from other documents; rows as in the ledger."""

    found: pl.DataFrame
    """A line per document and item: `row`, `set`, `item`, `ngrams` found, `share` of the item's, `begin`, `end`,
    and an `excerpt` of the item."""

    summary: pl.DataFrame
    """A line per evaluation set: `set`, `items`, `too_short`, `items_hit`, `documents`, `example`."""


def judge(hits: Hits, index: Index, items: Sequence[EvaluationItem], *, config: DecontaminateConfig) -> Contamination:
    """What goes, given the hits of the whole corpus. Takes memory for the hits, not for the corpus."""
    found = _attribute(hits, index, config)
    pairs = found.explode("numbers").select(pl.col("row") * (1 << 32) + pl.col("numbers")).to_series()
    is_contaminated = np.isin(hits.rows << 32 | hits.ngrams, pairs.to_numpy())
    chosen = hits.where(is_contaminated)
    rows, cuts = np.unique(chosen.rows), Cuts.none()
    if config.mode == "span":
        rows, cuts = _cut(chosen, config)
    named = _name(found.drop("numbers"), items)
    return Contamination(rows, cuts, named, _summarise(named, index, items))


def _attribute(hits: Hits, index: Index, config: DecontaminateConfig) -> pl.DataFrame:
    """The documents and items that share enough: `row`, `item`, `ngrams`, `share`, `begin`, `end`, `numbers`."""
    table = pl.DataFrame({"row": hits.rows, "number": hits.ngrams, "begin": hits.begins, "end": hits.ends})
    if config.ignore_above is not None:
        is_common = pl.col("row").n_unique().over("number") > config.ignore_above
        table = table.filter(~is_common)
    numbers = table["number"].to_numpy()
    num_items = np.minimum(index.firsts[numbers + 1] - index.firsts[numbers], MOST_ITEMS)
    offsets = np.arange(num_items.sum()) - np.repeat(np.cumsum(num_items) - num_items, num_items)
    owners = index.items[np.repeat(index.firsts[numbers], num_items) + offsets]
    table = table[np.repeat(np.arange(table.height), num_items)].with_columns(item=pl.Series(owners, dtype=pl.Int64))
    num_ngrams = pl.Series("all", index.num_ngrams, pl.Int64)
    grouped = table.group_by("row", "item").agg(
        numbers=pl.col("number").unique(), begin=pl.col("begin").min(), end=pl.col("end").max()
    )
    return (
        grouped.with_columns(ngrams=pl.col("numbers").list.len().cast(pl.Int64))
        .with_columns(share=pl.col("ngrams") / num_ngrams.gather(grouped["item"]))
        .filter(pl.col("share") >= config.item_share)
        .sort("row", "item")
    )


def _cut(hits: Hits, config: DecontaminateConfig) -> tuple[Positions, Cuts]:
    """Documents that go as a whole, and the cuts in the others, short pieces taken along."""
    cuts = join([Cuts(hits.rows, hits.wide_begins, hits.wide_ends)])
    if not len(cuts):
        return cuts.rows, cuts
    sizes = hits.sizes[np.searchsorted(hits.rows, cuts.rows)]
    is_first = np.append(True, cuts.rows[1:] != cuts.rows[:-1])
    is_last = np.append(is_first[1:], True)
    before = np.where(is_first, 0, np.append(0, cuts.ends[:-1]))
    after = np.where(is_last, sizes, np.append(cuts.begins[1:], 0))
    least = config.shortest_piece_bytes
    wide = join(
        [
            Cuts(
                cuts.rows,
                np.where(cuts.begins - before < least, before, cuts.begins),
                np.where(after - cuts.ends < least, after, cuts.ends),
            )
        ]
    )
    rows, firsts, num_cuts = np.unique(wide.rows, return_index=True, return_counts=True)
    sizes = hits.sizes[np.searchsorted(hits.rows, rows)]
    num_pieces = num_cuts + 1 - (wide.begins[firsts] == 0) - (wide.ends[firsts + num_cuts - 1] == sizes)
    is_whole = (num_pieces == 0) | (num_pieces > config.most_pieces)
    stays = ~np.repeat(is_whole, num_cuts)
    return rows[is_whole], Cuts(wide.rows[stays], wide.begins[stays], wide.ends[stays])


def _name(found: pl.DataFrame, items: Sequence[EvaluationItem]) -> pl.DataFrame:
    """Numbers of items replaced by what they are called."""
    numbers = found["item"].to_list()
    return found.select(
        "row",
        pl.Series("set", [items[number].set_name for number in numbers], pl.String),
        pl.Series("item", [items[number].name for number in numbers], pl.String),
        "ngrams",
        "share",
        "begin",
        "end",
        pl.Series("excerpt", [items[number].text[:EXCERPT_CHARACTERS] for number in numbers], pl.String),
    )


def _summarise(found: pl.DataFrame, index: Index, items: Sequence[EvaluationItem]) -> pl.DataFrame:
    known = pl.DataFrame(
        {"set": [item.set_name for item in items], "is_short": index.num_ngrams == 0},
        {"set": pl.String, "is_short": pl.Boolean},
    )
    sets = known.group_by("set", maintain_order=True).agg(items=pl.len(), too_short=pl.col("is_short").sum())
    best = found.sort("share", "row", descending=[True, False], maintain_order=True)
    hit = best.group_by("set", maintain_order=True).agg(
        items_hit=pl.col("item").n_unique(), documents=pl.col("row").n_unique(), example=pl.col("excerpt").first()
    )
    return sets.join(hit, on="set", how="left", maintain_order="left").with_columns(
        pl.col("items_hit", "documents").fill_null(0), pl.col("example").fill_null("")
    )
