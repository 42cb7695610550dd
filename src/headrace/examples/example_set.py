"""Examples that were built, opened."""

from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.errors import InputError
from headrace.examples.build import FACTS
from headrace.examples.kinds import SPLITS, Kind


class ExampleSet:
    """The examples of an artefact: its splits as tables, and the names of what is told apart."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def kind(self) -> Kind:
        return self._facts["kind"]  # type: ignore[no-any-return]  # written by `build_examples`

    @property
    def labels(self) -> list[str]:
        """Names of the classes, in the order of their numbers; empty for other kinds."""
        return list(self._facts["labels"])

    @property
    def tags(self) -> list[str]:
        """Names of the tags of words, in the order of their numbers; empty for other kinds."""
        return list(self._facts["tags"])

    @property
    def splits(self) -> list[str]:
        """Those of train, validation and test that there are."""
        return [split for split in SPLITS if (self.path / f"{split}.parquet").is_file()]

    @property
    def texts(self) -> list[Path]:
        """Parquet shards with the texts of the training split, for a vocabulary."""
        return sorted(self.path.glob("texts/part-*.parquet"))

    def split(self, name: str) -> pa.Table:
        """The examples of a split. Raises InputError if there is no such split."""
        if name not in self.splits:
            raise InputError(f"{self.path}: no examples for `{name}`, only for {', '.join(self.splits)}.")
        return pq.read_table(self.path / f"{name}.parquet", page_checksum_verification=True)

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return dict(orjson.loads((self.path / FACTS).read_bytes()))
