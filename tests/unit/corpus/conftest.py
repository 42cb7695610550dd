"""Small corpora on the disk, and the road from raw files to a ledger in one call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from headrace.corpus.config import CorpusConfig, SourceConfig
from headrace.corpus.curate import CURATE_VERSION, curate
from headrace.corpus.discover import find_files
from headrace.corpus.measure import MEASURE_VERSION, measure_source
from headrace.corpus.workers import Workers
from headrace.store import Artefact, StepSpec, Store
from headrace.store.fingerprint import digest_file

Measure = Callable[..., Artefact]
Curate = Callable[..., Artefact]
Table = Callable[[Artefact, str], pl.DataFrame]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Measures a source given as keywords; its files lie below `tmp_path`."""

    def run(*, limit: float = 1.0, num_processes: int = 1, **source: Any) -> Artefact:
        return measure_into(tmp_path, SourceConfig(**{"name": "s", **source}), limit, num_processes)

    return run


@pytest.fixture
def curated(tmp_path: Path) -> Curate:
    """Measures and curates a corpus given as the mapping that a recipe holds."""

    def run(*, seed: int = 7, num_processes: int = 1, **corpus: Any) -> Artefact:
        config = CorpusConfig.model_validate(corpus)
        limit = config.quarantine_limit
        measured = {s.name: measure_into(tmp_path, s, limit, num_processes) for s in config.sources}
        inputs = {name: artefact.address for name, artefact in measured.items()}
        with Workers(num_processes) as workers:
            return Store(tmp_path / "store").ensure(
                StepSpec(f"corpus-seed{seed}", CURATE_VERSION, config, inputs),
                lambda workspace: curate(config, seed=seed, measured=measured, workspace=workspace, workers=workers),
            )

    return run


def measure_into(folder: Path, source: SourceConfig, limit: float, num_processes: int) -> Artefact:
    files = find_files(source, folder)
    inputs = {file.name: digest_file(file.path) for file in files}
    spec = StepSpec(f"measured-{num_processes}", MEASURE_VERSION, source, inputs)
    with Workers(num_processes) as workers:
        return Store(folder / "store").ensure(
            spec,
            lambda workspace: measure_source(
                source,
                normalize="NFC",
                files=files,
                workspace=workspace,
                workers=workers,
                quarantine_limit=limit,
            ),
        )


@pytest.fixture
def table() -> Table:
    """The rows of all files of an artefact that match a pattern, in order."""
    return lambda artefact, pattern: pl.concat([pl.read_parquet(path) for path in artefact.files(pattern)])
