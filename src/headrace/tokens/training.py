"""Byte-level BPE trained on a corpus: the same tokens that Hugging Face's trainer finds, ten times faster."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from headrace.corpus.first_use import FirstUse, ensure_compiled
from headrace.corpus.texts import Texts
from headrace.errors import InputError
from headrace.tokens.byte_level import ALPHABET, to_bytes
from headrace.tokens.config import VocabularyConfig
from headrace.tokens.formats.assemble import byte_level_tokenizer
from headrace.tokens.merges import learn_merges
from headrace.tokens.patterns import splitter
from headrace.tokens.word_counts import WordCounts
from headrace.trace import event, progress, span

TRAINING_BYTES = 1 << 30  # merges stop changing long before
WORD_BYTES = 1 << 27  # of different words together; a byte takes at most 30 while merges are learnt


def train_on(shards: Sequence[Path], config: VocabularyConfig) -> Tokenizer:
    """The tokenizer of a recipe, trained on the texts of some shards or, of very many, on as much of each."""
    return train_vocabulary(_read_texts(shards), config)


def train_vocabulary(batches: Iterable[Texts], config: VocabularyConfig) -> Tokenizer:
    """A byte-level BPE tokenizer of exactly the wanted size; encoding anything and decoding it is the identity.

    Raises InputError if the texts support fewer tokens.
    """
    assert config.train is not None, "a vocabulary that is trained has a size"
    pattern, digits, special = config.pattern or "gpt2", config.digits or "as_is", config.trained_special_tokens
    ensure_compiled(FirstUse("vocabulary", _use_kernels))
    words = WordCounts(pattern, digits)
    with span("count_words"):
        for texts in batches:
            words.add(texts)
            if words.size_bytes > WORD_BYTES:
                event("vocabulary_sample", word_bytes=words.size_bytes)
                break
    with span("learn_merges", words=words.num_words):
        tokens, merges = _learn(words, special, config.train)
    if len(tokens) < config.train:
        raise InputError(
            f"tokens.vocabulary.train: {config.train:,} tokens wanted, the training text supports only "
            f"{len(tokens):,}. Use that size or a smaller one, or more text."
        )
    return byte_level_tokenizer(tokens, merges, splitter=splitter(pattern, digits), special=special)


def _learn(words: WordCounts, special: Sequence[str], size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    first = np.empty(256, np.int32)
    for rank, sign in enumerate(ALPHABET):
        first[to_bytes(sign)[0]] = len(special) + rank
    names = [*special, *ALPHABET]
    pairs = learn_merges(words.words.data, words.words.offsets, words.counts, first, size - len(names))
    merges = []
    for left, right in pairs.tolist():
        merges.append((names[left], names[right]))
        names.append(names[left] + names[right])
    if len(set(names)) < len(names):
        twice = next(name for name in special if name in names[len(special) :])
        raise InputError(
            f"tokens.vocabulary.special_tokens: {twice!r} is also a word of the text. Write it so that no word is "
            "equal to it, as in '<|name|>'."
        )
    return {name: number for number, name in enumerate(names)}, merges


def _read_texts(shards: Sequence[Path]) -> Iterator[Texts]:
    """Texts in turn from every shard, so that a corpus too large to be read whole is read evenly."""
    files = [(shard, pq.read_metadata(shard)) for shard in shards]
    sizes = [[_text_bytes(metadata, group) for group in range(metadata.num_row_groups)] for _, metadata in files]
    total = min(TRAINING_BYTES, sum(map(sum, sizes)))
    done = 0
    for group in range(max(map(len, sizes), default=0)):
        for (shard, metadata), of_shard in zip(files, sizes, strict=True):
            if group >= len(of_shard):
                continue
            if done >= TRAINING_BYTES:
                event("vocabulary_sample", text_bytes=done)
                return
            with pq.ParquetFile(shard, metadata=metadata, page_checksum_verification=True) as file:
                column = file.read_row_group(group, columns=["text"], use_threads=False)["text"]
            for chunk in column.chunks:
                yield Texts.from_arrow(chunk)
            done += of_shard[group]
            progress("vocabulary", min(done, total), total, unit="bytes")


def _text_bytes(metadata: pq.FileMetaData, group: int) -> int:
    """Bytes of the text column before compression, from the file's footer."""
    column = metadata.schema.to_arrow_schema().get_field_index("text")
    return int(metadata.row_group(group).column(column).total_uncompressed_size)


def _use_kernels() -> None:
    words = WordCounts("gpt2", "as_is")
    words.add(Texts.from_arrow(pa.array(["the mill, the mill"], pa.large_string())))
    _learn(words, [], 260)
