"""In what order a stage takes its rows, and what it has taken of each source."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.errors import InputError
from headrace.parallel import Group
from headrace.store import write_file
from headrace.tokens import BatchStream, TokenStore
from headrace.tokens.corrupt import ReplaceInputs
from headrace.tokens.mixture_config import CorruptionConfig
from headrace.tokens.order import Curriculum, Mixed, RowOrder
from headrace.tokens.ordering import build_order, rank_by
from headrace.train.config import StageConfig


def order_rows(config: StageConfig, store: TokenStore, *, seed: int, kept: Path, group: Group) -> RowOrder:
    """The order of a stage's rows. A curriculum's ranks are written into `kept` once, by the leading process.

    Raises InputError if the mixture or the curriculum does not fit the store.
    """
    curriculum = None
    if config.curriculum is not None:
        path = kept / "curriculum.npy"
        if group.leads and not path.exists():
            _write_array(path, rank_by(config.curriculum, store).ranked)
        group.agree(0)  # nobody reads before the leader has written
        ranked = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        curriculum = Curriculum(ranked, config.curriculum.random_after)
    order = build_order(store.plan, seed=seed, mixture=config.mixture, curriculum=curriculum)
    if isinstance(order, Mixed):
        _check_enough(config, store, order)
    return order


def corruption(config: CorruptionConfig, *, seed: int, end_token: int, vocabulary_size: int) -> ReplaceInputs:
    """What changes the inputs of every batch."""
    return ReplaceInputs(seed, config.drop, config.swap, drop_token=end_token, vocabulary_size=vocabulary_size)


def describe_sources(stream: object, num_steps: int) -> dict[str, Any]:
    """Rows of each source that so many steps took, and the passes over it that they make; nothing without a mixture."""
    if not isinstance(stream, BatchStream) or not isinstance(stream.order, Mixed):
        return {}
    taken = stream.order.mixture.taken(num_steps * stream.batch_rows)
    counts = {source.source: source.count for source in stream.order.sources}
    return {"sources": {name: {"rows": rows, "epochs": round(rows / counts[name], 4)} for name, rows in taken.items()}}


def _write_array(path: Path, array: NDArray[np.int64]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_file(path, buffer.getvalue())


def _check_enough(config: StageConfig, store: TokenStore, order: Mixed) -> None:
    row_tokens = store.row_tokens
    wanted = config.num_steps(store.plan.num_rows, row_tokens) * config.batch_rows(row_tokens)
    if wanted > order.mixture.num_samples:
        raise InputError(
            f"train.mixture.most_epochs: the stage takes {wanted:,} rows, all sources together give "
            f"{order.mixture.num_samples:,.0f}. Allow more epochs, or train on at most "
            f"{int(order.mixture.num_samples) * row_tokens:,} tokens."
        )
