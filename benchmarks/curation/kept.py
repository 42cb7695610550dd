"""The ids that a tool kept, out of whatever file it writes."""

import gzip
from collections.abc import Iterable
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard


def ids_in(path: Path, column: str) -> list[str]:
    """A column of text from JSON lines (plain, .gz, .zst), Parquet or an Arrow stream."""
    if path.suffix == ".parquet":
        return list(pq.read_table(path, columns=[column])[column].to_pylist())
    if path.suffix == ".arrow":
        with pa.memory_map(str(path)) as file:
            return list(pa.ipc.open_stream(file).read_all()[column].to_pylist())
    if path.suffix in (".json", ".jsonl", ".gz", ".zst"):
        return [orjson.loads(line)[column] for line in _lines(path)]
    return []


def _lines(path: Path) -> Iterable[bytes]:
    if path.suffix == ".gz":
        data = gzip.decompress(path.read_bytes())
    elif path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()
    else:
        data = path.read_bytes()
    return data.splitlines()
