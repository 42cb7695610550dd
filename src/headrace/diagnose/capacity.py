"""What a step will need of memory and disk, compared with what there is, before the step begins."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import psutil

from headrace.errors import CapacityError
from headrace.models.config import ModelConfig
from headrace.train.config import StageConfig

# Bytes on disk per byte of raw file, over all artefacts of the data half: measured 0.9 on plain text (documents,
# scores, curated copy, tokens), and zstd and gzip unfold text by 3 to 4.
DISK_PER_RAW_BYTE = 1.0
DISK_PER_COMPRESSED_BYTE = 4.0
BYTES_PER_PARAMETER = 4 + 4 + 8 + 12  # weights, gradients, two moments, and the copy that a checkpoint is written from
CHECKPOINT_BYTES_PER_PARAMETER = 12
PROCESS_BYTES = 1_000_000_000  # measured: torch and the data libraries, compiled kernels, the allocator's reserve


def check_corpus_disk(files: Sequence[tuple[str, int]], folder: Path) -> None:
    """Raises CapacityError if the artefacts of raw files, given by name and size, will not fit on `folder`'s disk."""
    needed = 0.0
    for name, size_bytes in files:
        is_compressed = name.endswith((".gz", ".zst", ".bz2", ".xz", ".parquet"))
        needed += size_bytes * (DISK_PER_COMPRESSED_BYTE if is_compressed else DISK_PER_RAW_BYTE)
    _check_disk(needed, folder, what=f"curating {len(files):,} files")


def check_training(
    stage: StageConfig, model: ModelConfig, *, vocabulary_size: int, row_tokens: int, num_processes: int, folder: Path
) -> int:
    """The forecast of memory in bytes, all processes together.

    Raises CapacityError if this machine has less memory free than that, or less disk than the checkpoints need.
    """
    needed = num_processes * forecast_training_bytes(
        stage, model, vocabulary_size=vocabulary_size, row_tokens=row_tokens
    )
    available = psutil.virtual_memory().available
    parameters = model.num_parameters(vocabulary_size)
    if needed > available:
        raise CapacityError(
            f"training {parameters / 1e6:,.1f} M parameters needs about {_gigabytes(needed)} of memory and "
            f"{_gigabytes(available)} are free. Use a smaller model or vocabulary, a smaller train.micro_batch_tokens "
            f"(now {stage.micro_batch_tokens:,}), or fewer processes."
        )
    checkpoints = (stage.checkpoint.keep + 2) * CHECKPOINT_BYTES_PER_PARAMETER * parameters
    _check_disk(checkpoints, folder, what="the checkpoints of this training")
    return needed


def forecast_training_bytes(stage: StageConfig, model: ModelConfig, *, vocabulary_size: int, row_tokens: int) -> int:
    """Peak memory of one training process: state, activations of a micro-batch, and the process itself.

    Activations per token and block, in bf16 as the kernels keep them: the residual stream and its two norms, the joined
    projection, the mixed heads, gate, up and their product; and a row of attention weights per head.
    """
    tokens = max(row_tokens, stage.micro_batch_tokens)
    per_token = model.width * 6 + model.projection_width * 2 + model.feed_forward * 4
    activations = tokens * model.depth * 2 * (per_token + 2 * model.heads * row_tokens)
    head = 3 * 4 * vocabulary_size * model.width
    return PROCESS_BYTES + BYTES_PER_PARAMETER * model.num_parameters(vocabulary_size) + activations + head


def _check_disk(needed: float, folder: Path, *, what: str) -> None:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise CapacityError(
            f"{what} needs about {_gigabytes(needed)} of disk below {folder} and {_gigabytes(free)} are free. "
            "Free some (`headrace gc` removes what no run needs) or put the runs elsewhere with --runs."
        )


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB"
