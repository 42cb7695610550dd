"""A feed of packed rows out of a token store."""

from dataclasses import replace

from headrace.errors import InputError
from headrace.objectives.config import ExampleFields
from headrace.objectives.cross_entropy import Extra
from headrace.objectives.noise import Noise, last_of
from headrace.objectives.objective import Objective
from headrace.objectives.rows import RowObjective
from headrace.objectives.segments import SegmentObjective
from headrace.parallel import Group
from headrace.tokens import BatchStream
from headrace.tokens.formats import read_vocabulary
from headrace.train.config import StageConfig
from headrace.train.data import corruption, order_rows
from headrace.train.feed import Feed
from headrace.train.given import Stage
from headrace.train.length_config import LengthWarmUpConfig
from headrace.train.lengths import CutRows


def row_feed(stage: Stage, group: Group) -> Feed:
    """The rows of both splits of a store as the objective wants them. Raises InputError if they do not suit it."""
    config, train, held_out = stage.config, stage.split("train"), stage.split("validation")
    row_tokens, end, size = train.row_tokens, stage.end_token, stage.vocabulary_size
    batch_rows, num_steps = config.batch_rows(row_tokens), config.num_steps(train.plan.num_rows, row_tokens)
    stream = BatchStream(
        train,
        end_token=end,
        seed=stage.seed,
        batch_rows=batch_rows,
        rank=group.rank,
        world_size=group.size,
        order=order_rows(config, train, seed=stage.seed, kept=stage.workspace.kept, group=group),
        attention_tokens=stage.model.attention_tokens(size),
    )
    # The same in every process, however unequal their shares of a step are: they take turns at these batches.
    watched_rows = min(held_out.plan.num_rows, max(1, config.validation.tokens // row_tokens))
    least_parts = _least_parts(config, batch_rows, group)
    share_rows = config.micro_batch_rows(row_tokens, batch_rows // group.size, parts=least_parts)
    held_out_rows = min(share_rows, watched_rows)  # whole micro-batches of one shape, so nothing is compiled anew
    watched = BatchStream(held_out, end_token=end, seed=stage.seed, batch_rows=held_out_rows)
    assert not isinstance(config.objective, ExampleFields), "rows have no labels"
    noise = Noise(
        read_vocabulary(stage.tokenizer_path),
        end,
        stage.seed,
        num_steps,
        row_tokens,
        batch_rows,
        start_token=stage.start_token,
    )
    if (transform := noise.transform(config.objective)) is not None:
        stream = stream.transformed(transform)
        # As at the end of the stage, so that what is measured compares.
        at_end = replace(noise, num_steps=1, batch_rows=held_out_rows)
        watched = watched.transformed(at_end.transform(last_of(config.objective)) or transform)
    if config.corrupt_inputs is not None:
        stream = stream.transformed(
            corruption(config.corrupt_inputs, seed=stage.seed, end_token=end, vocabulary_size=size)
        )
    if config.length_warm_up is not None:
        stream = stream.transformed(_cut_rows(config.length_warm_up, row_tokens, num_steps))
    return Feed(
        objective=_objective(config, row_tokens),
        stream=stream,
        micro_batch_rows=config.micro_batch_rows(row_tokens, stream.share_rows, parts=least_parts),
        num_steps=num_steps,
        steps_per_epoch=train.plan.num_rows / batch_rows,
        held_out=watched,
        num_held_out=watched_rows // held_out_rows,
        held_out_rows=held_out_rows,
        row_tokens=row_tokens,
        step_tokens=config.global_batch_tokens,
        documents=stream.document_names,
    )


def _objective(config: StageConfig, row_tokens: int) -> Objective:
    is_cut = config.length_warm_up is not None
    rows = RowObjective(Extra(z_weight=config.z_loss), row_tokens if is_cut else None)
    return rows if config.segment_tokens is None else SegmentObjective(rows, config.segment_tokens)


def _cut_rows(config: LengthWarmUpConfig, row_tokens: int, num_steps: int) -> CutRows:
    try:
        return CutRows.of(config, row_tokens=row_tokens, num_steps=num_steps)
    except ValueError as error:
        raise InputError(f"train: {error}.") from error


def _least_parts(config: StageConfig, batch_rows: int, group: Group) -> int:
    """How many parts a process's share of a base batch must have: two where they are compared, unless others have some.

    Raises InputError if there are not so many rows.
    """
    if config.batch.adaptive is None or group.size > 1:
        return 1
    if batch_rows < 2:
        raise InputError(
            "batch: adaptive compares a part of a step with all of it, and global_batch_tokens is a single row; "
            "write at least two rows."
        )
    return 2
