"""Files of every format, and what is read from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import find_files
from headrace.corpus.read import DamagedRecord, RawDocument, Record, plan_units, read_part

Read = Callable[..., list[Record]]
Damage = list[tuple[int, str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """All records of a source given as keywords; its files lie below `tmp_path`."""

    def run(**source: Any) -> list[Record]:
        config = SourceConfig(**{"name": "s", **source})
        units = plan_units(config, find_files(config, tmp_path))
        return [record for unit in units for part in unit.parts for record in read_part(config, part)]

    return run


@pytest.fixture
def sorted_out() -> Callable[[list[Record]], tuple[list[str], Damage]]:
    """The texts of documents, and (offset, reason) of damaged records."""

    def run(records: list[Record]) -> tuple[list[str], Damage]:
        texts = [record.text for record in records if isinstance(record, RawDocument)]
        return texts, [(record.offset, record.reason) for record in records if isinstance(record, DamagedRecord)]

    return run
