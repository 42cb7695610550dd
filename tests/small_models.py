"""Small models on the small road, for tests that need torch."""

import shutil
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from small_road import ROW_TOKENS, VOCABULARY_SIZE, Road
from torch import Tensor, nn

from headrace.models import ModelConfig
from headrace.models.build import Model, build_model
from headrace.models.decoder import Decoder, build_decoder
from headrace.parallel import Group
from headrace.store import Workspace
from headrace.tokens import Batch
from headrace.trace import Record, recording
from headrace.train.config import CheckpointConfig, StageConfig
from headrace.train.given import Stage
from headrace.train.numerics import Numerics
from headrace.train.stage import train_stage

Shaped = TypeVar("Shaped", bound=nn.Module)


def small_config(**given: Any) -> ModelConfig:
    """Two blocks of width 32, four query heads on two key-value heads."""
    return ModelConfig(**{"depth": 2, "width": 32, "heads": 4, "kv_heads": 2, "feed_forward": 48, **given})


def rough_decoder(config: ModelConfig, *, vocabulary_size: int = VOCABULARY_SIZE, seed: int = 1) -> Decoder:
    """A decoder with large weights and uneven gains, so that a mistake anywhere shows in its output."""
    return roughen(build_decoder(config, vocabulary_size, seed=seed), seed=seed)


def rough_model(config: ModelConfig, *, vocabulary_size: int = VOCABULARY_SIZE, seed: int = 1) -> Model:
    """The same of any shape."""
    return roughen(build_model(config, vocabulary_size, seed=seed), seed=seed)


def roughen(model: Shaped, *, seed: int = 1) -> Shaped:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            mean = 0.0 if parameter.dim() > 1 or name.endswith("bias") else 1.0
            parameter.normal_(mean, 0.2, generator=generator)
    return model


def inputs_of(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(torch.from_numpy(array) for array in (batch.tokens_BT, batch.positions_BT, batch.documents_BT))


STEP_TOKENS = 8 * ROW_TOKENS


class Stopped(Exception):
    """Raised into a running stage, to end it where a test wants it to end."""


def small_stage(road: Road, folder: Path, *, model: ModelConfig | None = None, seed: int = 7, **given: Any) -> Stage:
    """A stage of 8 steps of 8 rows that works in a folder; another one there goes on from its checkpoints.

    Computes in float32 and one thread, as if an earlier session had chosen that.
    """
    workspace = Workspace(kept=folder / "kept", output=folder / "output")
    workspace.kept.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(workspace.output, ignore_errors=True)
    workspace.output.mkdir()
    if not (workspace.kept / "numerics.json").exists():
        numerics = Numerics(precision="fp32", compiled=False, num_threads=1, peak_gflops=100.0)
        (workspace.kept / "numerics.json").write_text(numerics.model_dump_json())
    settings = {
        "tokens": 8 * STEP_TOKENS,
        "global_batch_tokens": STEP_TOKENS,
        "micro_batch_tokens": 4 * ROW_TOKENS,
        "learning_rate": 1e-2,
        "checkpoint": CheckpointConfig(every_seconds=0),
    }
    return Stage(
        config=StageConfig(**{**settings, **given}),
        model=model or small_config(),
        seed=seed,
        tokens=road.tokens,
        vocabulary=road.vocabulary,
        initial=None,
        workspace=workspace,
        num_threads=1,
    )


def train_until(stage: Stage, *, event: str = "train_metrics", step: int) -> None:
    """Trains, and stops when the event of a step is told."""

    def listen(record: Record) -> None:
        if record["name"] == event and record["step"] == step:
            raise Stopped

    with pytest.raises(Stopped), recording(None, [listen]):
        train_stage(stage, Group())


def train_and_listen(stage: Stage) -> tuple[dict[str, Any], list[Record]]:
    """Trains to the end; the summary, and everything that was told."""
    records: list[Record] = []
    with recording(None, [records.append]):
        return train_stage(stage, Group()), records
