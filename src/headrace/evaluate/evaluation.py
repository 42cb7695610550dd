"""Evaluates a published model and writes what was found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.evaluate.bits_per_byte import DocumentLosses, measure_losses, summarise, with_before
from headrace.evaluate.config import EvaluateConfig, SamplesConfig
from headrace.serve import SamplingConfig, TextGenerator
from headrace.store import Artefact, Workspace, write_file
from headrace.tokens import TokenStore
from headrace.trace import span


def evaluate_model(
    config: EvaluateConfig,
    *,
    model: Artefact,
    store: TokenStore,
    seed: int,
    workspace: Workspace,
    before: Artefact | None = None,
) -> dict[str, Any]:
    """Writes `evaluation.json`, `documents.parquet` and `samples.json`; returns the overall figures.

    store: the held-out documents. before: the model that training began with, which is measured too. All is measured
    in float32, whatever the training precision was.
    """
    result: dict[str, Any] = {}
    if config.bits_per_byte is not None:
        with span("bits_per_byte"):
            losses = measure_losses(model.path, store)
        result = summarise(losses, store.lineage)
        if before is not None:
            result = with_before(result, summarise(measure_losses(before.path, store), store.lineage))
        _write_documents(losses, store, workspace.output / "documents.parquet")
    write_file(workspace.output / "evaluation.json", orjson.dumps(result, option=orjson.OPT_INDENT_2))
    samples = []
    if config.samples is not None:
        samples = make_samples(config.samples, model.path, max_positions=store.row_tokens, seed=seed)
    write_file(workspace.output / "samples.json", orjson.dumps(samples, option=orjson.OPT_INDENT_2))
    return result.get("overall", {})


def make_samples(config: SamplesConfig, folder: Path, *, max_positions: int, seed: int) -> list[dict[str, Any]]:
    """One continuation per prompt, each with its prompt and settings."""
    generator = TextGenerator(folder, max_positions=max_positions)
    sampling = SamplingConfig(max_tokens=config.max_tokens, temperature=config.temperature)
    return [
        {
            "prompt": prompt,
            "continuation": generator.generate(prompt, sampling, seed=seed),
            "seed": seed,
            **sampling.as_json(),
        }
        for prompt in config.prompts
    ]


def _write_documents(losses: DocumentLosses, store: TokenStore, path: Path) -> None:
    columns: dict[str, Sequence[Any]] = {
        "id": store.lineage.column("id"),
        "source": store.lineage.column("source"),
        "language": store.lineage.column("language"),
        "size_bytes": store.lineage.size_bytes.tolist(),
        "num_tokens": store.lengths.tolist(),
        "loss_nats": losses.tolist(),
    }
    pq.write_table(pa.table(columns), path, compression="zstd", write_page_checksum=True)
