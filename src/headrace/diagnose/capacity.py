"""What a step will need of memory and disk, compared with what there is, before the step begins."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from headrace.errors import CapacityError
from headrace.models.config import ModelConfig
from headrace.models.counts import keeps_scores
from headrace.models.foreign import AnyModelConfig, ForeignConfig
from headrace.objectives.config import PrefixConfig
from headrace.train.config import StageConfig
from headrace.train.memory.forecast import WEIGHT_BYTES, checkpoint_bytes, optimizer_bytes, section_share
from headrace.train.memory.room import free_bytes
from headrace.train.optimizer_config import LionConfig

# Bytes on disk per byte of raw file, over all artefacts of the data half: measured 0.9 on plain text (documents,
# scores, curated copy, tokens), and zstd and gzip unfold text by 3 to 4.
DISK_PER_RAW_BYTE = 1.0
DISK_PER_COMPRESSED_BYTE = 4.0
PROCESS_BYTES = 1_000_000_000  # measured: torch and the data libraries, compiled kernels, the allocator's reserve


def check_corpus_disk(files: Sequence[tuple[str, int]], folder: Path) -> None:
    """Raises CapacityError if the artefacts of raw files, given by name and size, will not fit on `folder`'s disk."""
    needed = 0.0
    for name, size_bytes in files:
        is_compressed = name.endswith((".gz", ".zst", ".bz2", ".xz", ".parquet"))
        needed += size_bytes * (DISK_PER_COMPRESSED_BYTE if is_compressed else DISK_PER_RAW_BYTE)
    _check_disk(needed, folder, what=f"curating {len(files):,} files")


def check_training(
    stage: StageConfig,
    model: AnyModelConfig,
    *,
    vocabulary_size: int,
    row_tokens: int,
    num_processes: int,
    folder: Path,
) -> int:
    """The forecast of memory in bytes, all processes together, where everything is kept that may be.

    Raises CapacityError if not even the leanest way of training fits into the memory that is written or free, or if
    there is less disk than the checkpoints need. Which way is taken is settled where it can be measured.
    """
    given = {"vocabulary_size": vocabulary_size, "row_tokens": row_tokens}
    needed = num_processes * least_training_bytes(stage, model, **given)
    available = stage.memory.limit or free_bytes()
    parameters = model.num_parameters(vocabulary_size)
    if needed > available:
        are_free = "are free" if stage.memory.limit is None else "are allowed by train.memory"
        raise CapacityError(
            f"training {parameters / 1e6:,.1f} M parameters needs about {_gigabytes(needed)} of memory and "
            f"{_gigabytes(available)} {are_free}. Use a smaller model or vocabulary, shorter rows, fewer processes, "
            "optimizer.state_precision: int8, or updates: by_block."
        )
    kept = stage.checkpoint.keep + 2 + (2 if stage.keep_before_cool_down else 0)
    checkpoints = kept * checkpoint_bytes(stage, model, vocabulary_size)
    _check_disk(checkpoints, folder, what="the checkpoints of this training")
    return num_processes * forecast_training_bytes(stage, model, **given)


def forecast_training_bytes(stage: StageConfig, model: AnyModelConfig, *, vocabulary_size: int, row_tokens: int) -> int:
    """Peak memory of one training process: state, activations of a micro-batch, and the process itself.

    State is weights, gradients, what the optimiser remembers, an average of weights where there is one, and the copy of
    all but the gradients that a checkpoint is written from.
    """
    tokens = max(row_tokens, stage.micro_batch_tokens)
    if isinstance(model, ForeignConfig):
        activations, head = _foreign_activations(model, tokens, vocabulary_size), 0
    else:
        has_scores = keeps_scores(model, row_tokens) or isinstance(stage.objective, PrefixConfig)
        activations, head = (
            _activations(model, tokens, row_tokens if has_scores else 0),
            3 * 4 * vocabulary_size * model.width,
        )
    parameters = model.num_parameters(vocabulary_size)
    state = WEIGHT_BYTES * parameters + 2 * checkpoint_bytes(stage, model, vocabulary_size)
    if isinstance(stage.optimizer, LionConfig):
        state += WEIGHT_BYTES * parameters  # the signs of all parameters at once
    return PROCESS_BYTES + state + activations + head


def least_training_bytes(stage: StageConfig, model: AnyModelConfig, *, vocabulary_size: int, row_tokens: int) -> int:
    """What one process needs at the least: one row at once, every block computed again, checkpoints written from where
    state lies, and on disk what may lie there."""
    weights = WEIGHT_BYTES * model.num_parameters(vocabulary_size)
    state = optimizer_bytes(stage.optimizer, model, vocabulary_size)
    share = section_share(model, vocabulary_size)
    by_block, page = stage.updates == "by_block", stage.memory.page
    on_disk = page in ("state", "all") or (page == "auto" and stage.optimizer.state_precision != "bf16")
    held = share * state if on_disk else state
    held += weights * (share if by_block else 1)
    held += weights * (share if by_block and page in ("auto", "all") else 1)
    if isinstance(model, ForeignConfig):
        return PROCESS_BYTES + int(held) + _foreign_activations(model, row_tokens, vocabulary_size)
    rows = stage.global_batch_tokens if by_block else row_tokens
    one_block = _activations(model, rows, row_tokens) // max(1, model.depth)
    return PROCESS_BYTES + int(held) + one_block + 2 * rows * model.width * model.depth


def _activations(model: ModelConfig, tokens: int, row_tokens: int) -> int:
    """Per token and block, in bf16 as the kernels keep them: the residual stream and its two norms, the joined
    projection, the mixed heads, gate, up and their product; and a row of attention weights per head, where kept."""
    per_token = model.width * 6 + model.projection_width * 2 + model.feed_forward * 4
    return tokens * model.depth * 2 * (per_token + 2 * model.heads * row_tokens)


def _foreign_activations(model: ForeignConfig, tokens: int, vocabulary_size: int) -> int:
    """In float32: what goes into and comes out of every product, and as much again for what lies between; logits, their
    copy without padding, softmax and gradient, all at once. How much attention keeps is not known."""
    return 4 * tokens * (2 * model.kept_per_token + 4 * vocabulary_size)


def _check_disk(needed: float, folder: Path, *, what: str) -> None:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise CapacityError(
            f"{what} needs about {_gigabytes(needed)} of disk below {folder} and {_gigabytes(free)} are free. "
            "Free some (`headrace gc` removes what no run needs) or put the runs elsewhere with --runs."
        )


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.2f} GB"
