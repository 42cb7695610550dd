"""Curated documents to token ids, one indexed dataset and one lineage file per corpus shard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from gigatoken import Tokenizer as FastTokenizer
from numpy.typing import NDArray
from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.store import Artefact, Workspace, publish_folder
from headrace.tokens.indexed import Tokens, token_type, write_indexed
from headrace.tokens.packing import plan_rows
from headrace.tokens.vocabulary import end_token, load_vocabulary
from headrace.trace import progress, span

ENCODE_VERSION = 1
BATCH_DOCUMENTS = 4096
SPLITS = ("train", "validation")
PROBE = "It's 2,345 mills;\r\n\n  they'll  TURN\u00a0on\tof the of the of the 🙂 e\u0301 水轮，慢慢 the_name() 的的的\n"


class Encoder:
    """Text to ids as `tokenizers` gives them, several times faster; text that looks like a special token stays text."""

    def __init__(self, path: Path) -> None:
        """Reads a `tokenizer.json`. Raises InputError for a kind that cannot be encoded with equal ids."""
        tokenizer = load_vocabulary(path)
        self.end_of_document = end_token(tokenizer)
        self.kind = token_type(tokenizer.get_vocab_size())
        description = orjson.loads(tokenizer.to_str())
        # Without the special tokens nothing in a document can be mistaken for one; they keep their ids in the model's
        # part.
        description["added_tokens"], description["post_processor"] = [], None
        try:
            self._fast = FastTokenizer.from_json(orjson.dumps(description))
        except RuntimeError as error:
            raise InputError(f"{path}: {str(error).splitlines()[0]}. Use a byte-level BPE tokenizer.") from error
        self._check_agreement(tokenizer, path)

    def encode(self, texts: Sequence[str]) -> tuple[Tokens, NDArray[np.int32]]:
        """The ids of all texts end to end, each followed by the end of its document, and the tokens of each."""
        encoded = self._fast.encode_batch(list(texts))
        offsets = np.asarray(encoded.layout.offsets.data, np.int64)
        flat = np.asarray(encoded.layout.content.data)[offsets[0] : offsets[-1]]
        ends = offsets[1:] - offsets[0]
        return np.insert(flat, ends, self.end_of_document).astype(self.kind), (np.diff(offsets) + 1).astype(np.int32)

    def _check_agreement(self, tokenizer: Tokenizer, path: Path) -> None:
        """Raises InputError for what the fast encoder reads otherwise without saying so: dropout, texts unsplit."""
        tokenizer.encode_special_tokens = True
        if self.encode([PROBE])[0][:-1].tolist() != tokenizer.encode(PROBE, add_special_tokens=False).ids:
            raise InputError(f"{path}: ids would not be those of `tokenizers`. Use a plain byte-level BPE tokenizer.")


def encode_corpus(*, curated: Artefact, vocabulary: Artefact, row_tokens: int, workspace: Workspace) -> dict[str, Any]:
    """Encodes every shard of both splits and plans the rows; returns counts per split, source and language.

    A shard that was finished before a kill is not encoded again. Raises InputError if the training split does not fill
    one row.
    """
    encoder = Encoder(vocabulary.path / "tokenizer.json")
    shards = {split: curated.files(f"{split}-*.parquet") for split in SPLITS}
    total = sum(shard.stat().st_size for paths in shards.values() for shard in paths)
    done = 0
    for shard in (shard for paths in shards.values() for shard in paths):
        with span("encode", shard=shard.name):
            _encode_shard(shard, encoder, workspace)
        done += shard.stat().st_size
        progress("tokens", done, total, unit="bytes")
    for folder in sorted(workspace.kept.iterdir()):
        for path in folder.iterdir():
            (workspace.output / path.name).hardlink_to(path)
    return {split: _plan_split(split, row_tokens, workspace.output) for split in SPLITS}


def _encode_shard(shard: Path, encoder: Encoder, workspace: Workspace) -> None:
    final = workspace.kept / shard.stem
    if final.exists():
        return
    staged = workspace.output / shard.stem
    staged.mkdir()
    ids: list[Tokens] = []
    lengths, lineage = [], []
    for batch in pq.ParquetFile(shard, page_checksum_verification=True).iter_batches(BATCH_DOCUMENTS):
        texts = batch.column("text").to_pylist()
        batch_ids, batch_lengths = encoder.encode(texts)
        ids.append(batch_ids)
        lengths.append(batch_lengths)
        size_bytes = pa.array([len(text.encode()) for text in texts], pa.int64())
        lineage.append(
            pa.table(
                {
                    "id": batch.column("id"),
                    "source": batch.column("source"),
                    "language": batch.column("language"),
                    "size_bytes": size_bytes,
                    "num_tokens": pa.array(batch_lengths, pa.int32()),
                }
            )
        )
    write_indexed(staged / shard.stem, np.concatenate(ids).astype(encoder.kind), np.concatenate(lengths))
    pq.write_table(
        pa.concat_tables(lineage),
        staged / f"{shard.stem}.documents.parquet",
        compression="zstd",
        write_page_checksum=True,
    )
    publish_folder(staged, final)


def _plan_split(split: str, row_tokens: int, folder: Path) -> dict[str, Any]:
    tables = [pq.read_table(path) for path in sorted(folder.glob(f"{split}-*.documents.parquet"))]
    documents = pa.concat_tables(tables) if tables else pa.table({"num_tokens": pa.array([], pa.int32())})
    lengths = documents.column("num_tokens").to_numpy().astype(np.int32)
    num_tokens = int(lengths.sum(dtype=np.int64))
    if split == "train" and num_tokens < row_tokens:
        raise InputError(
            f"tokens.row_tokens: {row_tokens:,} tokens a row, the training text has only {num_tokens:,} in all. "
            "Use shorter rows or more text."
        )
    plan = plan_rows(lengths, row_tokens)
    plan.save(folder / split)
    summary: dict[str, Any] = {
        "documents": len(lengths),
        "tokens": num_tokens,
        "rows": plan.num_rows,
        "fill": round(num_tokens / max(1, plan.num_rows * row_tokens), 5),
    }
    if num_tokens:
        summary["bytes"] = int(documents.column("size_bytes").to_numpy().sum())
        for column in ("source", "language"):
            summary[column] = _totals(documents, column)
    return summary


def _totals(documents: pa.Table, column: str) -> dict[str, dict[str, int]]:
    sums = documents.group_by(column).aggregate([("num_tokens", "sum"), ("size_bytes", "sum"), ("num_tokens", "count")])
    rows = sorted(sums.to_pylist(), key=lambda row: str(row[column]))
    return {
        row[column]: {
            "documents": row["num_tokens_count"],
            "tokens": row["num_tokens_sum"],
            "bytes": row["size_bytes_sum"],
        }
        for row in rows
    }
