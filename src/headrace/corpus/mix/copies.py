"""Which documents a mixture takes, and how often."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from headrace.corpus.mix.amounts import Amounts, share_out
from headrace.corpus.mix.config import MixConfig
from headrace.errors import RecipeError

Rows = npt.NDArray[np.int64]
Copies = npt.NDArray[np.int32]

TRAIN = "train"
NO_GROUP = "(none)"
METADATA = "metadata."
SEED_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Copies of each document of a ledger, and what that makes of its groups."""

    copies: Copies
    """(N,) 0: not used."""

    outcome: pl.DataFrame
    """A line per group: `group`, `documents_before`, `bytes_before`, `share_before`, `documents_after` (different
    ones), `copies_after`, `bytes_after`, `share_after`, `epochs` and `limited_by`."""


def choose_copies(ledger: pl.DataFrame, config: MixConfig, *, seed: int, cluster_size: str = "cluster_size") -> Mixture:
    """The mixture of the kept training documents; other kept ones, held out for validation, have one copy.

    ledger: `id`, `num_bytes`, `kept`, `split`, the column that `config.by` names (for `metadata.x`, `metadata`), and
    `cluster_size` if duplicates weigh. Raises RecipeError for a column that is not there or impossible targets.
    """
    kept = ledger["kept"].to_numpy()
    rows = np.flatnonzero(kept & (ledger["split"] == TRAIN).to_numpy())
    copies = kept.astype(np.int32)
    if not len(rows):
        return Mixture(copies, _outcome(ledger.clear(), _Groups([], rows), (), copies[:0]))
    documents = ledger[rows]
    groups = _group(documents, config.by)
    basic = _basic_copies(documents, config, cluster_size)
    amounts = _amounts(documents, groups, basic, config)
    copies[rows] = _take(documents, groups, amounts.wanted, config=config, basic=basic, seed=seed)
    return Mixture(copies, _outcome(documents, groups, amounts.limited_by, copies[rows]))


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """What group each of N documents belongs to."""

    names: list[str]
    """In the order in which they come first."""

    numbers: Rows
    """(N,) position in `names`."""

    def sums(self, values: Rows) -> npt.NDArray[np.float64]:
        """(groups,) the sum of a value of the documents."""
        return np.bincount(self.numbers, values, len(self.names)).astype(np.float64)


def _group(documents: pl.DataFrame, by: str) -> _Groups:
    column = "metadata" if by.startswith(METADATA) else by
    if column not in documents.columns:
        raise RecipeError(f"mix.by: the ledger has no column {column}; there are {', '.join(documents.columns)}.")
    value = pl.col(column)
    if column != by:
        path = "".join(f'["{part}"]' for part in by.removeprefix(METADATA).split("."))
        value = value.str.json_path_match("$" + path)
    groups = documents.select(value.cast(pl.String).fill_null(NO_GROUP)).to_series()
    if (groups == NO_GROUP).all():
        raise RecipeError(f"mix.by: no document has a {by}; name another column or field.")
    names = groups.unique(maintain_order=True).to_list()
    numbers = groups.replace_strict(names, list(range(len(names))), return_dtype=pl.Int64)
    return _Groups(names, numbers.to_numpy())


def _basic_copies(documents: pl.DataFrame, config: MixConfig, column: str) -> Rows:
    """Copies of each document before groups are balanced."""
    if not config.repeats_by_cluster_size:
        return np.ones(documents.height, np.int64)
    if column not in documents.columns:
        raise RecipeError(
            f"mix.repeats_by_cluster_size: the ledger has no column {column}; it comes from deduplication by minhash."
        )
    sizes, copies = np.array(((0, 1), *config.repeats_by_cluster_size)).T
    return np.asarray(copies[np.searchsorted(sizes, documents[column].fill_null(1).to_numpy(), side="right") - 1])


def _weights(documents: pl.DataFrame, config: MixConfig) -> Rows:
    """What one copy of each document counts in the measure."""
    if config.measure == "documents":
        return np.ones(documents.height, np.int64)
    return documents["num_bytes"].cast(pl.Int64).to_numpy()


def _amounts(documents: pl.DataFrame, groups: _Groups, basic: Rows, config: MixConfig) -> Amounts:
    sizes = groups.sums(basic * _weights(documents, config))
    if not sizes.all():
        empty = ", ".join(name for name, size in zip(groups.names, sizes.tolist(), strict=True) if not size)
        raise RecipeError(f"mix: the documents of {empty} hold no text; use `measure: documents`.")
    num_bytes = groups.sums(basic * documents["num_bytes"].cast(pl.Int64).to_numpy())
    return share_out(
        groups.names,
        sizes,
        config,
        mean_bytes=np.maximum(num_bytes, 1) / sizes,
        mean_documents=groups.sums(basic) / sizes,
    )


def _take(
    documents: pl.DataFrame,
    groups: _Groups,
    amounts: npt.NDArray[np.float64],
    *,
    config: MixConfig,
    basic: Rows,
    seed: int,
) -> Copies:
    """Copies of each document: every group in an order keyed by the seed, again and again, up to its amount."""
    owners = _ordered_copies(documents["id"], basic, seed)
    weights = _weights(documents, config)
    copies = np.zeros(documents.height, np.int32)
    for number, amount in enumerate(amounts.tolist()):
        mine = owners[groups.numbers[owners] == number]
        epochs, rest = divmod(amount, float(weights[mine].sum()))
        copies += np.bincount(mine, minlength=len(copies)).astype(np.int32) * int(epochs)
        np.add.at(copies, mine[: nearest_prefix(weights[mine], rest)], 1)
    return copies


def _ordered_copies(ids: pl.Series, basic: Rows, seed: int) -> Rows:
    """The row of each copy of each document, in an order that ids and seed decide."""
    rows = np.repeat(np.arange(len(ids)), basic)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(basic) - basic, basic)
    names = ids.to_list()
    keys = [
        xxhash.xxh3_64_intdigest(f"{names[row]}/{copy}".encode(), seed & SEED_MASK)
        for row, copy in zip(rows.tolist(), nth.tolist(), strict=True)
    ]
    return rows[np.lexsort((nth, ids.rank("dense").to_numpy()[rows], np.array(keys, np.uint64)))]


def nearest_prefix(weights: Rows, wanted: float) -> int:
    """How many of the first weights come closest to a sum; of two as close, the smaller number."""
    sums = np.concatenate(([0], np.cumsum(weights)))
    return int(np.argmin(np.abs(sums - wanted)))


def _outcome(documents: pl.DataFrame, groups: _Groups, limited_by: Sequence[str], copies: Copies) -> pl.DataFrame:
    num_bytes = documents["num_bytes"].cast(pl.Int64).to_numpy()
    counts = {
        "documents_before": np.ones_like(num_bytes),
        "bytes_before": num_bytes,
        "documents_after": copies > 0,
        "copies_after": copies,
        "bytes_after": num_bytes * copies,
    }
    sums = {name: pl.Series(groups.sums(values), dtype=pl.Float64).cast(pl.Int64) for name, values in counts.items()}
    return pl.DataFrame({"group": groups.names, **sums, "limited_by": list(limited_by)}).select(
        "group",
        "documents_before",
        "bytes_before",
        share_before=_share_of("bytes_before"),
        documents_after="documents_after",
        copies_after="copies_after",
        bytes_after="bytes_after",
        share_after=_share_of("bytes_after"),
        epochs=pl.col("copies_after") / pl.col("documents_before"),
        limited_by="limited_by",
    )


def _share_of(column: str) -> pl.Expr:
    return pl.col(column) / pl.max_horizontal(pl.col(column).sum(), 1)
