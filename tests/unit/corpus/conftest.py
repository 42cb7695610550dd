"""Small corpora on the disk, and the road from raw files to a ledger in one call."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from headrace.corpus.config import CorpusConfig
from headrace.corpus.decide.context import CurateInputs
from headrace.corpus.discover import find_files
from headrace.corpus.measure.config import MeasureSettings
from headrace.corpus.quantity import quantities_of
from headrace.corpus.workers import Workers
from headrace.pipeline import steps
from headrace.store import Artefact, Store

Measure = Callable[..., Artefact]
Curate = Callable[..., Artefact]
Table = Callable[[Artefact, str], pl.DataFrame]

MEMORY_LIMIT = 200_000_000


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Measures a source given as keywords; its files lie below `tmp_path`."""

    def run(*, limit: float = 1.0, num_processes: int = 1, **source: Any) -> Artefact:
        config = CorpusConfig.model_validate({"sources": [{"name": "s", **source}], "quarantine_limit": limit})
        return measure_into(tmp_path, config, num_processes)["s"]

    return run


@pytest.fixture
def curated(tmp_path: Path) -> Curate:
    """Measures and curates a corpus given as the mapping that a recipe holds."""

    def run(
        *,
        seed: int = 7,
        num_processes: int = 1,
        memory_limit: int = MEMORY_LIMIT,
        after: Mapping[str, Artefact] | None = None,
        **corpus: Any,
    ) -> Artefact:
        config = CorpusConfig.model_validate(corpus)
        measured = measure_into(tmp_path, config, num_processes)
        store = store_of(tmp_path, num_processes)
        with Workers(num_processes) as workers:
            derived = {
                quantity.key: {
                    name: steps.derive(quantity, measured=artefact, store=store, workers=workers)
                    for name, artefact in measured.items()
                }
                for quantity in quantities_of(config, tmp_path)
            }
            inputs = CurateInputs(measured, derived, tmp_path, after or {})
            return steps.curate_corpus(
                config, inputs, seed=seed, store=store, workers=workers, memory_limit=memory_limit
            )

    return run


def measure_into(folder: Path, config: CorpusConfig, num_processes: int) -> Mapping[str, Artefact]:
    store = store_of(folder, num_processes)
    quality = steps.learn_quality(config.quality, folder=folder, seed=7, store=store) if config.quality else None
    with Workers(num_processes) as workers:
        return {
            source.name: steps.measure(
                MeasureSettings.of(config, source),
                files=find_files(source, folder),
                quality=quality,
                corpus=config,
                store=store,
                workers=workers,
            )
            for source in config.sources
        }


def store_of(folder: Path, num_processes: int) -> Store:
    """One store for each number of processes, so that one does not find what another has built."""
    return Store(folder / f"store-{num_processes}")


@pytest.fixture
def table() -> Table:
    """The rows of all files of an artefact that match a pattern, in order."""
    return lambda artefact, pattern: pl.concat([pl.read_parquet(path) for path in artefact.files(pattern)])
