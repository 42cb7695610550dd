"""The settings between a corpus and its batches."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from headrace.config import Config
from headrace.tokens.packing import Packing
from headrace.tokens.patterns import Digits, PatternName

NUM_BYTES = 256
MEGATRON_IDS = 2**31
END_OF_DOCUMENT = "<|endoftext|>"

TokenText = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class VocabularyConfig(Config):
    """Where the vocabulary comes from: trained on the corpus, or a file."""

    train: int | None = Field(default=None, gt=NUM_BYTES, lt=MEGATRON_IDS)
    """Size of the byte-level BPE vocabulary to train, the special tokens and the 256 bytes included."""
    file: Path | None = Field(default=None, strict=False)
    """A vocabulary that is there: `tokenizer.json`, tiktoken's `NAME.tiktoken`, GPT-2's `encoder.json` beside
    `vocab.bpe` (or `vocab.json` beside `merges.txt`), a GGUF model, or a folder that holds one of them."""
    pattern: PatternName | None = None
    """How text is cut into words before it is merged: `gpt2` (the default), `cl100k`, which lets a sign begin a word
    and ends words at line ends, `o200k`, which also ends them where capitals begin. Of files, only ranks need it."""
    digits: Digits | None = None
    """How a trained vocabulary sees numbers: `single` digits, `groups_of_3`, or `as_is`: whole numbers with `gpt2`,
    groups of three with the others. Left out: `as_is`."""
    special_tokens: tuple[TokenText, ...] = Field(default=(), strict=False)
    """More tokens that no text turns into, for templates and tasks. A trained vocabulary counts them in its size, to a
    file they are added."""
    end_of_document: TokenText | None = None
    """The token that ends a document. Left out: `<|endoftext|>`, or what a file has for it."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.train is None) == (self.file is None):
            raise ValueError("write exactly one of `train: SIZE` and `file: tokenizer.json`")
        if self.file is not None and self.digits is not None:
            raise ValueError("`digits` are for a vocabulary that is trained; a file says itself how it cuts numbers")
        if len(set(self.special_tokens)) < len(self.special_tokens):
            raise ValueError("`special_tokens` names a token twice")
        if self.train is not None and self.train < NUM_BYTES + len(self.trained_special_tokens):
            least = NUM_BYTES + len(self.trained_special_tokens)
            raise ValueError(f"train: got {self.train}, wanted at least {least}: the 256 bytes and the special tokens")
        return self

    @property
    def trained_special_tokens(self) -> list[str]:
        """Of a trained vocabulary, in the order of their ids."""
        end = self.end_of_document or END_OF_DOCUMENT
        return [*([] if end in self.special_tokens else [end]), *self.special_tokens]


class TokensConfig(Config):
    """How documents become rows of token ids, or where rows of ids are that were made before."""

    store: str | None = None
    """A token store that is there, in place of a corpus: the folder of a run or of a token store, or its URL in an
    object store (`s3://bucket/tokens-...`). Vocabulary, rows and packing are what it was made with."""
    storage: dict[str, str | bool] = Field(default_factory=dict)
    """Options of the object store's driver, such as `endpoint_url`. Credentials come from the environment."""
    cache_gigabytes: float = Field(default=20.0, gt=0)
    """What ids from an object store may take on this machine's disk, all runs in the folder of runs together."""
    vocabulary: VocabularyConfig = VocabularyConfig(train=8192)
    """Where the vocabulary comes from."""
    row_tokens: PositiveInt = Field(default=256, le=1 << 20)
    """Tokens in a training row: the longest context the model sees while it learns."""
    packing: Packing = "best_fit"
    """How documents share rows; no token is dropped either way. `best_fit` cuts only documents longer than a row;
    `concatenate` puts them end to end and cuts one a row."""

    @model_validator(mode="after")
    def _check_store(self) -> Self:
        if self.store is not None and (made := self._changed("vocabulary", "row_tokens", "packing")):
            raise ValueError(f"`store` brings its own {', '.join(made)}; leave that out, or encode a corpus anew")
        if self.store is None and (remote := self._changed("storage", "cache_gigabytes")):
            raise ValueError(f"`{remote[0]}` is for a `store` that lies in an object store")
        return self

    def _changed(self, *names: str) -> list[str]:
        """Those of the keys that are not as they are where nobody wrote them."""
        fields = type(self).model_fields
        return [name for name in names if getattr(self, name) != fields[name].get_default(call_default_factory=True)]
