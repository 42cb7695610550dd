"""How often each kept document is used."""

from typing import Any

import numpy as np
import polars as pl

from headrace.corpus.columns import SCORES
from headrace.corpus.decide.context import Context
from headrace.corpus.decide.shards import Shard, frame_of

ALWAYS = ("id", "num_bytes")


def choose_proportions(context: Context) -> list[dict[str, Any]]:
    """Sets the copies of every document that passed; returns the table of groups before and after, if there is a mix.

    Validation documents are used once, whatever the mix.
    """
    verdicts, config = context.verdicts, context.config.mix
    verdicts.copies[:] = verdicts.passes
    if config is None:
        return []
    from headrace.corpus.mix.copies import choose_copies

    column = config.by.partition(".")[0]
    frames = [_frame(context, shard, column) for shard in context.shards]
    ledger = pl.concat(frames)
    mixture = choose_copies(ledger, config, seed=context.seed)
    verdicts.copies[:] = mixture.copies
    return mixture.outcome.to_dicts()


def _frame(context: Context, shard: Shard, column: str) -> pl.DataFrame:
    rows, verdicts = shard.rows, context.verdicts
    frame = shard.read_scores(list(dict.fromkeys((*ALWAYS, *((column,) if column in SCORES else ())))))
    if column == "metadata":
        frame = frame.hstack(frame_of(shard.documents, ["metadata"]))
    splits = np.where(verdicts.is_validation[rows], "validation", "train")
    return frame.with_columns(
        kept=pl.Series(verdicts.passes[rows]),
        split=pl.Series(splits.tolist(), dtype=pl.String),
        cluster_size=pl.Series(verdicts.cluster_size[rows].astype(np.int64)),
    )
