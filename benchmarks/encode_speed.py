"""Encoding and vocabulary training against peers, one core, the same text, the same ids.

    python benchmarks/encode_speed.py 'docs/**/*.txt' 'src/**/*.py'              # some minutes for 40 MB
    python benchmarks/encode_speed.py 'docs/**/*.txt' --vocabulary 8192 --megabytes 20 --without datasets

The files together are the corpus. Everybody trains a vocabulary on it, and the merges must be equal; then everybody
encodes it, and the ids must be equal. "headrace, whole step" goes from Parquet shards to the token store on disk,
"headrace, encoder" from Arrow's buffers to ids, and both read the vocabulary's file first; the libraries get lists of
strings, and `datasets`, in an environment of its own, a Parquet file. Every cache starts empty; "again" is what a
corpus of many times the size comes near. Printed: MB of UTF-8 per CPU second, the median of the runs and the extremes.
"""

import argparse
import glob
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before anything starts threads
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import orjson
import pyarrow as pa
from curation.environments import Environments
from gigatoken import TextFileSource, train_bpe
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from headrace.config import Config
from headrace.corpus.columns import DOCUMENTS
from headrace.corpus.tables import TableWriter, arrow_schema
from headrace.corpus.texts import Texts
from headrace.store import Artefact, StepSpec, Store, Workspace
from headrace.tokens import encode_corpus
from headrace.tokens.byte_level import to_bytes
from headrace.tokens.config import END_OF_DOCUMENT, VocabularyConfig
from headrace.tokens.encoder import Encoder
from headrace.tokens.training import train_vocabulary
from headrace.tokens.vocabulary import build_vocabulary

DOCUMENT_CHARACTERS, SHARD_BYTES = 200_000, 64_000_000
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
DATASETS = """
import json, sys, time
from datasets import load_dataset
from transformers import PreTrainedTokenizerFast
tokenizer = PreTrainedTokenizerFast(tokenizer_file=sys.argv[1])
data = load_dataset("parquet", data_files=sys.argv[2], split="train", cache_dir=sys.argv[3])
encode = lambda rows: {"ids": tokenizer(rows["text"], add_special_tokens=False, split_special_tokens=True)["input_ids"]}
begin = time.process_time()
done = data.map(encode, batched=True, remove_columns=data.column_names)
print(json.dumps([time.process_time() - begin, [sum(ids) for ids in done["ids"]]]))
"""


class Name(Config):
    """What sets one corpus apart from another."""

    name: str


class Table:
    """Runs contenders, compares what they give, and prints a line for each."""

    def __init__(self, megabytes: float, repeats: int) -> None:
        self._megabytes, self._repeats = megabytes, repeats
        self._wanted: Any = None

    def title(self, title: str) -> None:
        print(f"\n| {title} | MB per CPU second | least - most | equal |\n|---|---|---|---|")
        self._wanted = None

    def line(self, name: str, run: Callable[[], Any], *, seconds_of: Callable[[Any], float] | None = None) -> None:
        """`run` gives what is compared; `seconds_of` takes the time from it instead of from the clock."""
        speeds = []
        for _ in range(self._repeats):
            begin = time.process_time()
            found = run()
            seconds = time.process_time() - begin
            if seconds_of:
                seconds, found = seconds_of(found), found[1]
            speeds.append(self._megabytes / seconds)
        self._wanted = found if self._wanted is None else self._wanted
        equal = "yes" if found == self._wanted else "NO"
        print(
            f"| {name} | {statistics.median(speeds):.1f} | {min(speeds):.1f} - {max(speeds):.1f} | {equal} |",
            flush=True,
        )


def read_texts(patterns: list[str], megabytes: float) -> list[str]:
    """Documents of the files, shuffled, until the size is reached."""
    paths = sorted({path for pattern in patterns for path in glob.glob(pattern, recursive=True)})
    random.Random(1).shuffle(paths)
    texts: list[str] = []
    num_bytes = 0.0
    for path in filter(os.path.isfile, paths):
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        parts = [text[first : first + DOCUMENT_CHARACTERS] for first in range(0, len(text), DOCUMENT_CHARACTERS)]
        texts += parts
        num_bytes += sum(len(part.encode()) for part in parts)
        if num_bytes >= megabytes * 1e6:
            break
    return texts


def write_shards(texts: list[str], folder: Path) -> dict[str, int]:
    """What the curate step leaves."""
    schema = arrow_schema(DOCUMENTS)
    first = 0
    while first < len(texts):
        shard, size, end = f"train-{first:08d}.parquet", 0, first
        while end < len(texts) and size < SHARD_BYTES:
            size += len(texts[end].encode())
            end += 1
        rows = [
            {"id": f"{number:032x}", "text": texts[number], "source": "files", "language": "en", "metadata": "{}"}
            for number in range(first, end)
        ]
        with TableWriter(folder / shard, DOCUMENTS) as writer:
            writer.add(pa.Table.from_pylist(rows, schema=schema))
        first = end
    return {}


def compare_training(table: Table, texts: list[str], size: int, folder: Path) -> None:
    """Merges of everybody, as pairs of bytes."""
    batch = Texts.from_strings(texts)
    separator = b"\xff\xfe"
    (folder / "corpus.txt").write_bytes(separator.join(text.encode() for text in texts))

    def by_headrace() -> list[Any]:
        return merges_of(train_vocabulary([batch], VocabularyConfig(train=size)))

    def by_tokenizers() -> list[Any]:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=[END_OF_DOCUMENT], initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator([texts], trainer)
        return merges_of(tokenizer)

    def by_gigatoken() -> list[Any]:
        source = TextFileSource([folder / "corpus.txt"], separator=separator)
        return list(train_bpe(source, size, [END_OF_DOCUMENT])[1])

    table.title(f"training {size:,} tokens")
    train_vocabulary([Texts.from_strings(["the mill, the mill"])], VocabularyConfig(train=260))  # compiles the kernels
    table.line("headrace", by_headrace)
    table.line("gigatoken `train_bpe`", by_gigatoken)
    table.line("HF tokenizers `BpeTrainer`", by_tokenizers)


def merges_of(tokenizer: Tokenizer) -> list[Any]:
    merges = orjson.loads(tokenizer.to_str())["model"]["merges"]
    return [(to_bytes(left), to_bytes(right)) for left, right in merges]


def compare_encoding(table: Table, texts: list[str], store: Store, *, size: int, without: list[str]) -> None:
    """A sum of ids per document, of everybody; the same sums mean the same ids unless fate is very unkind."""
    import numpy as np
    import tiktoken

    curated = store.ensure(StepSpec("curate", 1, Name(name="corpus"), {}), lambda w: write_shards(texts, w.output))
    config = VocabularyConfig(train=size)
    vocabulary = store.ensure(
        StepSpec("vocabulary", 1, Name(name="words"), {}),
        lambda w: build_vocabulary(config, curated=curated, folder=Path(), workspace=w),
    )
    path, batch = vocabulary.path / "tokenizer.json", Texts.from_strings(texts)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    ranks = {to_bytes(token): number for token, number in tokenizer.get_vocab().items() if token != END_OF_DOCUMENT}
    rival = tiktoken.Encoding("rival", pat_str=GPT2, mergeable_ranks=ranks, special_tokens={END_OF_DOCUMENT: 0})
    end = tokenizer.token_to_id(END_OF_DOCUMENT)

    def sums(ids: "np.ndarray", lengths: "np.ndarray") -> list[int]:
        ends = np.cumsum(lengths)
        return np.add.reduceat(ids.astype(np.int64), ends - lengths).tolist() if len(ids) else []

    def by_encoder(encoder: Encoder) -> list[int]:
        found = encoder.encode(batch)
        return [total - end for total in sums(found.ids, found.lengths)]

    def by_step() -> list[int]:
        with TemporaryDirectory(dir=store.root) as name:
            workspace = Workspace(kept=Path(name) / "kept", output=Path(name) / "output")
            workspace.kept.mkdir()
            workspace.output.mkdir()
            encode_corpus(curated=curated, vocabulary=vocabulary, row_tokens=1024, workspace=workspace)
            return stored_sums(workspace.output)

    def stored_sums(folder: Path) -> list[int]:
        from headrace.tokens.indexed import read_indexed

        found: list[int] = []
        for index in sorted(folder.glob("*.idx")):
            shard = read_indexed(index.with_suffix(""))
            found += sums(shard.ids, shard.lengths.astype(np.int64))
        return [total - end for total in found]

    Encoder(path).encode(Texts.from_strings(["the mill"]))  # compiles the kernels
    table.title(f"encoding with {size:,} tokens")
    table.line("headrace, whole step", by_step)
    table.line("headrace, encoder", lambda: by_encoder(Encoder(path)))
    again = Encoder(path)
    again.encode(batch)
    table.line("headrace, encoder, again", lambda: by_encoder(again))
    table.line(
        "tiktoken `encode_ordinary_batch`", lambda: list(map(sum, rival.encode_ordinary_batch(texts, num_threads=1)))
    )
    table.line(
        "HF tokenizers `encode_batch_fast`",
        lambda: [sum(found.ids) for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)],
    )
    if "datasets" not in without:
        table.line("HF `datasets.map`", lambda: by_datasets(path, curated), seconds_of=lambda found: float(found[0]))


def by_datasets(vocabulary: Path, curated: Artefact) -> Any:
    """CPU seconds and sums of `datasets` with transformers, in an environment of its own."""
    python = Environments(Path.home() / ".cache" / "headrace-benchmarks").get("datasets", "datasets").python
    with TemporaryDirectory() as cache:
        command = [python, "-c", DATASETS, vocabulary, str(curated.path / "train-*.parquet"), cache]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"datasets: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def main() -> None:
    """Reads the command line, runs everybody and prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="+", help="files of UTF-8 text")
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--vocabulary", type=int, default=32_768)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--without", nargs="*", default=[], choices=["datasets", "training"])
    given = parser.parse_args()
    texts = read_texts(given.patterns, given.megabytes)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} documents, {megabytes:.1f} MB")
    table = Table(megabytes, given.repeats)
    with TemporaryDirectory() as name:
        if "training" not in given.without:
            compare_training(table, texts, given.vocabulary, Path(name))
        compare_encoding(table, texts, Store(Path(name) / "store"), size=given.vocabulary, without=given.without)


if __name__ == "__main__":
    main()
