"""Documents that are like others: one of each cluster stays, by every step that the recipe names, in its order."""

import hashlib

import numpy as np
import numpy.typing as npt

from headrace.corpus.decide.context import Context
from headrace.corpus.decide.texts import TextsOfRows, of_earlier_runs, of_shards
from headrace.corpus.decide.verdicts import Mask, Rows, Verdicts
from headrace.corpus.deduplicate.clusters import choose_survivors, cluster
from headrace.corpus.deduplicate.config import ExactConfig, Keep, MinHashConfig
from headrace.corpus.deduplicate.confirm import candidates, confirm
from headrace.corpus.deduplicate.text_config import MeaningConfig
from headrace.corpus.quantity import KEYS_FILE, quantity_of
from headrace.corpus.reasons import DUPLICATE, NEAR_DUPLICATE
from headrace.trace import span


def drop_alike(context: Context) -> None:
    """Drops, of the documents that have passed so far, all but one of each cluster of every step."""
    for step in context.config.deduplicate:
        match step:
            case ExactConfig():
                with span("exact"):
                    _drop_equal(context, step)
            case MinHashConfig():
                with span("minhash"):
                    _drop_near(context, step)
            case MeaningConfig():
                from headrace.corpus.decide.meaning import drop_same_meaning

                with span("meaning"):
                    drop_same_meaning(context, step)
            case _:
                pass  # lines, paragraphs and passages are parts of documents: `parts.py`
    _name_survivors(context.verdicts)


def _drop_equal(context: Context, step: ExactConfig) -> None:
    verdicts, earlier = context.verdicts, context.earlier
    content = np.concatenate((earlier.content, verdicts.content))
    labels = equal_content(content, _with_earlier(context, verdicts.passes))
    preference = _preference(context, step.keep)
    survivors = choose_survivors(labels, preference=preference, num_indexed=len(earlier))
    _drop(context, survivors, DUPLICATE, similarity=1.0)


def equal_content(content: npt.NDArray[np.uint64], takes_part: Mask) -> Rows:
    """(N,) the first row of those with equal content that take part; its own row for any other."""
    labels = np.arange(len(content))
    rows = np.flatnonzero(takes_part)
    order = np.lexsort((rows, content[rows, 1], content[rows, 0]))
    ordered = content[rows[order]]
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    labels[rows[order]] = rows[order[begins]][np.cumsum(begins) - 1]
    return labels


def _drop_near(context: Context, step: MinHashConfig) -> None:
    verdicts, num_earlier, quantity = context.verdicts, len(context.earlier), quantity_of(step, context.recipe_folder)
    assert quantity is not None, "MinHash needs keys"
    keys = [*context.earlier.key_files(quantity.key), *context.derived_files(quantity.key, KEYS_FILE)]
    takes_part = _with_earlier(context, verdicts.passes)
    name = hashlib.sha256(takes_part.tobytes() + "\0".join(map(str, keys)).encode()).hexdigest()[:16]
    labels = cluster(
        keys,
        folder=context.kept / f"clusters-{name}",
        memory_limit_bytes=context.memory_limit,
        takes_part=takes_part,
        num_processes=context.workers.num_processes,
        map_function=context.workers.map,
    )
    preference = _preference(context, step.keep)
    if step.confirm is None:
        survivors = choose_survivors(labels, preference=preference, num_indexed=num_earlier)
    else:
        stretches, earlier_bytes = of_earlier_runs(context.earlier.runs, context.kept)
        survivors = confirm(
            candidates(labels, preference=preference, num_indexed=num_earlier),
            num_bytes=np.concatenate((earlier_bytes, verdicts.num_bytes)),
            keys=keys,
            fetch=TextsOfRows((*stretches, *of_shards(context.shards, before=num_earlier))),
            config=step,
            map_function=context.workers.map,
        )
    _drop(context, survivors, NEAR_DUPLICATE)


def _with_earlier(context: Context, takes_part: Mask) -> Mask:
    """(M + N,) the documents of earlier runs, which all take part, before those of this one."""
    return np.concatenate((np.ones(len(context.earlier), np.bool_), takes_part))


def _preference(context: Context, keep: Keep) -> npt.NDArray[np.float64] | None:
    if keep == "first":
        return None
    values = context.verdicts.num_bytes.astype(np.float64) if keep == "longest" else context.column(keep.best)
    return np.concatenate((np.zeros(len(context.earlier)), values))


def _drop(context: Context, survivors: Rows, reason: str, similarity: float = np.nan) -> None:
    """Drops every row that has another survivor, and notes the twins.

    survivors: (M + N,) with the documents of earlier runs first, none of which has another survivor.
    """
    verdicts, num_earlier, num_rows = context.verdicts, len(context.earlier), context.verdicts.num_rows
    # as `Verdicts.twin` counts them: this run's documents from 0, those of earlier runs after them
    stays = np.where(survivors < num_earlier, survivors + num_rows, survivors - num_earlier)[num_earlier:]
    rows = np.arange(num_rows)
    gone = rows[stays != rows]
    verdicts.twin[gone] = stays[gone]
    verdicts.similarity[gone] = similarity
    verdicts.drop(gone, reason)


def _name_survivors(verdicts: Verdicts) -> None:
    """Lets every dropped document name the one that stays in the end, and counts whom that stands for.

    A later step may have dropped the twin that an earlier one found.
    """
    num_rows, twin = verdicts.num_rows, verdicts.twin
    ours = np.flatnonzero((twin >= 0) & (twin < num_rows))
    while len(ours := ours[twin[twin[ours]] >= 0]):
        between = twin[ours]
        # a copy is as similar to the new twin as what it is a copy of; of other pairs nobody knows
        verdicts.similarity[ours] = np.where(verdicts.similarity[ours] == 1, verdicts.similarity[between], np.nan)
        twin[ours] = twin[between]
        ours = ours[twin[ours] < num_rows]
    stays = np.where(twin >= 0, twin, np.arange(num_rows))
    sizes = np.bincount(stays, minlength=num_rows)
    sizes[num_rows:] += 1  # a document of an earlier run is no row of this one
    verdicts.cluster_size[:] = sizes[stays]
