"""Curated documents to token ids, one indexed dataset and one lineage file per corpus shard."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.corpus.texts import Texts
from headrace.errors import InputError
from headrace.store import Artefact, Workspace, publish_folder, write_file
from headrace.store.artefact import find_damage
from headrace.tokens.indexed import write_index
from headrace.tokens.packing import Packing, plan_documents
from headrace.trace import progress, span

if TYPE_CHECKING:
    from headrace.tokens.encoder import Encoder

ENCODE_VERSION = 4
BATCH_BYTES = 8_000_000  # of text: what a thread holds of a shard, however large it is
BATCH_DOCUMENTS = 100_000
SPLITS = ("train", "validation")
SHARDS = "shards.json"
"""Which shard of a corpus each dataset was made of: its name and its SHA-256."""
LINEAGE = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "source", "language")),
        ("size_bytes", pa.int64()),
        *((name, pa.int32()) for name in ("num_tokens", "single_bytes", "fallback_bytes")),
    ]
)
SUMS = {
    "tokens": "num_tokens",
    "bytes": "size_bytes",
    "single_bytes": "single_bytes",
    "fallback_bytes": "fallback_bytes",
}


def encode_corpus(
    *,
    curated: Artefact,
    vocabulary: Artefact,
    row_tokens: int,
    packing: Packing = "best_fit",
    workspace: Workspace,
    num_threads: int = 1,
    earlier: Sequence[Artefact] = (),
) -> dict[str, Any]:
    """Encodes every shard of both splits and plans the rows; returns counts per split, source and language.

    A shard that was finished before a kill is not encoded again, nor one that is in an `earlier` token store of the
    same vocabulary: a corpus that has grown costs what is new. Threads take a shard each; nearly all they do is done
    without the interpreter's lock. Raises InputError if the training split does not fill one row.
    """
    from headrace.corpus.first_use import FirstUse, ensure_compiled
    from headrace.tokens.encoder import Encoder  # brings the kernels' compiler, which a finished run does not need

    encoder = Encoder(vocabulary.path / "tokenizer.json")
    kernels = FirstUse(f"encode-{np.dtype(encoder.kind)}", lambda: encoder.encode(Texts.from_strings(["the mill"])))
    ensure_compiled(kernels)  # before threads begin, which would wait for each other
    _take_over(curated, earlier, workspace)
    shards = [shard for split in SPLITS for shard in curated.files(f"{split}-*.parquet")]
    total = sum(shard.stat().st_size for shard in shards)
    done = 0
    with ThreadPoolExecutor(max(1, min(num_threads, len(shards)))) as threads:
        finished = threads.map(lambda shard: _encode_shard(shard, encoder, workspace), shards)
        try:
            for size_bytes in finished:
                done += size_bytes
                progress("tokens", done, total, unit="bytes")
        except BaseException:
            threads.shutdown(cancel_futures=True)  # else the shards that nobody has begun are encoded first
            raise
    for folder in sorted(workspace.kept.iterdir()):
        for path in folder.iterdir():
            (workspace.output / path.name).hardlink_to(path)
    digests = {name: record.sha256 for name, record in curated.manifest.files.items() if _is_shard(name)}
    write_file(workspace.output / SHARDS, orjson.dumps(digests, option=orjson.OPT_INDENT_2))
    return {split: _plan_split(split, row_tokens, packing, folder=workspace.output) for split in SPLITS}


def _is_shard(name: str) -> bool:
    return name.endswith(".parquet") and name.startswith(SPLITS)


def _take_over(curated: Artefact, earlier: Sequence[Artefact], workspace: Workspace) -> None:
    """Links what earlier stores have of the corpus's shards, as far as it is undamaged."""
    places: dict[str, tuple[Artefact, str]] = {}
    for artefact in earlier:
        if SHARDS in artefact.manifest.files:
            digests = orjson.loads((artefact.path / SHARDS).read_bytes())
            places |= {digest: (artefact, Path(name).stem) for name, digest in digests.items()}
    for name, record in curated.manifest.files.items():
        final = workspace.kept / Path(name).stem
        if not _is_shard(name) or record.sha256 not in places or final.exists():
            continue
        artefact, stem = places[record.sha256]
        files = {file: known for file, known in artefact.manifest.files.items() if file.startswith(f"{stem}.")}
        if next(find_damage(artefact.path, files), None):
            continue
        staged = workspace.output / final.name
        staged.mkdir()
        for file in files:
            (staged / file.replace(stem, final.name, 1)).hardlink_to(artefact.path / file)
        publish_folder(staged, final)


def _encode_shard(shard: Path, encoder: "Encoder", workspace: Workspace) -> int:
    """Publishes the dataset of one shard unless it is there; returns the shard's bytes."""
    final = workspace.kept / shard.stem
    if not final.exists():
        staged = workspace.output / shard.stem
        staged.mkdir()
        with span("encode", shard=shard.name):
            _write_dataset(shard, encoder, staged / shard.stem)
        publish_folder(staged, final)
    return shard.stat().st_size


def _write_dataset(shard: Path, encoder: "Encoder", prefix: Path) -> None:
    lengths: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
    path = f"{prefix}.documents.parquet"
    with (
        prefix.with_suffix(".bin").open("wb") as binary,
        pq.ParquetWriter(path, LINEAGE, compression="zstd", write_page_checksum=True) as lineage,
    ):
        for batch in _read_batches(shard):
            texts = Texts.from_arrow(batch["text"])
            encoded = encoder.encode(texts)
            encoded.ids.tofile(binary)
            lengths.append(encoded.lengths)
            columns = {name: batch[name] for name in ("id", "source", "language")} | {
                "size_bytes": texts.sizes,
                "num_tokens": encoded.lengths,
                "single_bytes": encoded.single_bytes,
                "fallback_bytes": encoded.fallback_bytes,
            }
            lineage.write_table(pa.table(columns, schema=LINEAGE))
    write_index(prefix, np.concatenate(lengths), np.dtype(encoder.kind))


def _read_batches(shard: Path) -> Iterator[pa.RecordBatch]:
    """Some MB of documents at a time, of which none is larger than it must be to hold its longest document.

    Raises InputError for a text that is missing or no UTF-8, which Parquet does not check.
    """
    with pq.ParquetFile(shard, page_checksum_verification=True, pre_buffer=False, buffer_size=1 << 20) as file:
        num_bytes = sum(_text_bytes(file.metadata, group) for group in range(file.num_row_groups))
        per_document = num_bytes / max(1, file.metadata.num_rows)
        size = max(1, min(BATCH_DOCUMENTS, int(BATCH_BYTES / max(1.0, per_document))))
        first = 0
        for batch in file.iter_batches(size, columns=["id", "text", "source", "language"], use_threads=False):
            place = f"{shard}: a text among documents {first:,} to {first + len(batch) - 1:,}"
            if batch["text"].null_count:
                raise InputError(f"{place} is missing. Curate the corpus again.")
            try:
                batch["text"].validate(full=True)
            except pa.ArrowInvalid as error:
                raise InputError(f"{place} is not valid UTF-8 ({error}). Curate the corpus again.") from error
            first += len(batch)
            yield batch


def _text_bytes(metadata: pq.FileMetaData, group: int) -> int:
    columns = metadata.row_group(group)
    return next(
        int(columns.column(index).total_uncompressed_size)
        for index in range(columns.num_columns)
        if columns.column(index).path_in_schema == "text"
    )


def _plan_split(split: str, row_tokens: int, packing: Packing, *, folder: Path) -> dict[str, Any]:
    paths = sorted(folder.glob(f"{split}-*.documents.parquet"))
    columns = ["source", "language", *SUMS.values()]
    documents = pa.concat_tables(
        [LINEAGE.empty_table().select(columns), *(pq.read_table(path, columns=columns) for path in paths)]
    )
    lengths = documents["num_tokens"].to_numpy()
    num_tokens = int(lengths.sum(dtype=np.int64))
    if split == "train" and num_tokens < row_tokens:
        raise InputError(
            f"tokens.row_tokens: {row_tokens:,} tokens a row, the training text has only {num_tokens:,} in all. "
            "Use shorter rows or more text."
        )
    plan = plan_documents(documents, row_tokens, packing)
    plan.save(folder / split)
    summary: dict[str, Any] = {
        "documents": len(lengths),
        "tokens": num_tokens,
        "rows": plan.num_rows,
        "fill": round(num_tokens / max(1, plan.num_rows * row_tokens), 5),
    }
    if num_tokens:
        summary |= {name: pc.sum(documents[column]).as_py() for name, column in SUMS.items()}
        for column in ("source", "language"):
            summary[column] = _totals(documents, column)
    return summary


def _totals(documents: pa.Table, column: str) -> dict[str, dict[str, int]]:
    sums = documents.group_by(column).aggregate([*((name, "sum") for name in SUMS.values()), ("num_tokens", "count")])
    rows = sorted(sums.to_pylist(), key=lambda row: str(row[column]))
    return {
        row[column]: {"documents": row["num_tokens_count"], **{name: row[f"{of}_sum"] for name, of in SUMS.items()}}
        for row in rows
    }
