"""The vocabulary: byte-level BPE in Hugging Face's `tokenizer.json`, one special token at the end of documents.

Training is Hugging Face's own trainer. Encoding is done elsewhere (`headrace.tokens.encode`), with the same ids.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from headrace.errors import InputError
from headrace.store import Artefact, Workspace
from headrace.tokens.config import VocabularyConfig
from headrace.trace import progress

VOCABULARY_VERSION = 1
END_OF_DOCUMENT = "<|endoftext|>"
TRAINING_BYTES = 1 << 30  # merges stop changing long before; at 5.6 MB/s a core this is the most that is worth its time
BATCH_DOCUMENTS = 256
LONGEST_WORD = 1000  # the trainer's time grows with the square of a word: 3 million signs without a space took hours

_LONG_WORD = re.compile(rf"(\S{{{LONGEST_WORD}}})")


def build_vocabulary(
    config: VocabularyConfig, *, curated: Artefact, folder: Path, workspace: Workspace
) -> dict[str, int]:
    """Writes `tokenizer.json`, trained on the training split of `curated` or taken from a file below `folder`.

    Raises InputError if the text has too few different pairs for the wanted size, or the file is not a usable
    vocabulary.
    """
    if config.file is not None:
        tokenizer = load_vocabulary(folder / config.file)
    else:
        assert config.train is not None, "a vocabulary config has a size or a file"
        tokenizer = train_vocabulary(_read_texts(curated.files("train-*.parquet"), TRAINING_BYTES), config.train)
    tokenizer.save(str(workspace.output / "tokenizer.json"))
    return {"tokens": tokenizer.get_vocab_size(), "end_of_document": end_token(tokenizer)}


def train_vocabulary(texts: Iterator[list[str]], size: int) -> Tokenizer:
    """A byte-level BPE tokenizer of exactly `size` tokens; encoding anything and decoding it again is the identity.

    Raises InputError if the texts support fewer tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END_OF_DOCUMENT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(map(_cut_long_words, texts), trainer)
    if tokenizer.get_vocab_size() < size:
        raise InputError(
            f"tokens.vocabulary.train: {size:,} tokens wanted, the training text supports only "
            f"{tokenizer.get_vocab_size():,}. Use that size or a smaller one, or more text."
        )
    # A text that transformers encodes begins as documents do in training: behind the end of the one before.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_DOCUMENT} $A",
        pair=f"{END_OF_DOCUMENT} $A {END_OF_DOCUMENT} $B",
        special_tokens=[(END_OF_DOCUMENT, end_token(tokenizer))],
    )
    return tokenizer


def load_vocabulary(path: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer.json`. Raises InputError if it is none or lacks the end-of-document token."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception for every kind of bad file
        raise InputError(f"{path}: not a readable tokenizer.json ({error}).") from error
    end_token(tokenizer, path)
    return tokenizer


def end_token(tokenizer: Tokenizer, path: Path | None = None) -> int:
    """The id of the end-of-document token. Raises InputError if there is none."""
    token = tokenizer.token_to_id(END_OF_DOCUMENT)
    if token is None:
        raise InputError(
            f"{path or 'vocabulary'}: no token {END_OF_DOCUMENT!r}. Add it to the tokenizer's special tokens."
        )
    return int(token)


def _cut_long_words(texts: list[str]) -> list[str]:
    """The texts with every run of more than LONGEST_WORD signs cut into pieces, for the trainer alone."""
    return [
        piece for text in texts for piece in (_LONG_WORD.split(text) if _LONG_WORD.search(text) else (text,)) if piece
    ]


def _read_texts(shards: Sequence[Path], most_bytes: int) -> Iterator[list[str]]:
    total = min(most_bytes, sum(_text_bytes(shard) for shard in shards))
    done = 0
    for shard in shards:
        for batch in pq.ParquetFile(shard, page_checksum_verification=True).iter_batches(
            BATCH_DOCUMENTS, columns=["text"]
        ):
            texts = batch.column("text").to_pylist()
            yield texts
            done += sum(len(text.encode()) for text in texts)
            progress("vocabulary", min(done, total), total, unit="bytes")
            if done >= most_bytes:
                return


def _text_bytes(shard: Path) -> int:
    """Bytes of the text column before compression, from the file's footer."""
    metadata = pq.read_metadata(shard)
    column = metadata.schema.to_arrow_schema().get_field_index("text")
    return sum(metadata.row_group(i).column(column).total_uncompressed_size for i in range(metadata.num_row_groups))
