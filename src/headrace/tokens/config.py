"""The settings between a corpus and its batches."""

from pathlib import Path
from typing import Self

from pydantic import Field, PositiveInt, model_validator

from headrace.config import Config

NUM_BYTES = 256
MEGATRON_IDS = 2**31


class VocabularyConfig(Config):
    """Where the vocabulary comes from: trained on the corpus, or a file."""

    train: int | None = Field(default=None, gt=NUM_BYTES, lt=MEGATRON_IDS)
    """Size of the byte-level BPE vocabulary to train, the end-of-document token and the 256 bytes included."""
    file: Path | None = Field(default=None, strict=False)
    """A Hugging Face `tokenizer.json` with the token `<|endoftext|>`, used as it is."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.train is None) == (self.file is None):
            raise ValueError("write exactly one of `train: SIZE` and `file: tokenizer.json`")
        return self


class TokensConfig(Config):
    """How documents become rows of token ids."""

    vocabulary: VocabularyConfig = VocabularyConfig(train=8192)
    """Where the vocabulary comes from."""
    row_tokens: PositiveInt = Field(default=256, le=1 << 20)
    """Tokens in a training row: the longest context the model sees while it learns."""
