"""Byte-level vocabularies in the header of GGUF model files, as llama.cpp reads them.

Source: ggml, docs/gguf.md; llama.cpp, src/llama-vocab.cpp (which names of `tokenizer.ggml.pre` cut text how).
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from headrace.errors import InputError
from headrace.tokens.formats.assemble import byte_level_tokenizer
from headrace.tokens.patterns import Digits, PatternName, splitter

MAGIC = b"GGUF"
FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
CONTROL, USER_DEFINED = 3, 4
"""Of `tokenizer.ggml.token_type`: special tokens, and text that is always one token."""

CUTS: dict[str, tuple[PatternName, Digits]] = {
    **dict.fromkeys(("gpt-2", "mpt", "olmo", "jais", "phi-2"), ("gpt2", "as_is")),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), ("gpt2", "single")),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "dbrx", "smaug-bpe", "glm4"), ("cl100k", "groups_of_3")),
    **dict.fromkeys(("qwen2", "stablelm2", "deepseek-r1-qwen"), ("cl100k", "single")),
    **dict.fromkeys(("gpt-4o", "llama4"), ("o200k", "groups_of_3")),
}
WHOLE_WORDS = ("llama-bpe", "llama3", "llama-v3")
"""Whose words are looked up whole before they are merged."""


def read_gguf(path: Path) -> Tokenizer:
    """The tokenizer of a model file. Raises InputError if its kind is another, or how it cuts text is not known."""
    return tokenizer_of(read_header(path).fields, path)


def tokenizer_of(fields: dict[str, Any], path: Path) -> Tokenizer:
    """The tokenizer that the fields of a header describe. Raises InputError as `read_gguf` does."""
    model, cut = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre")
    if model != "gpt2":
        raise InputError(f"{path}: its tokenizer is of the kind {model!r}; only byte-level BPE ('gpt2') is read.")
    if cut not in CUTS:
        raise InputError(f"{path}: cuts text as {cut!r}, which is not known here. Use the model's tokenizer.json.")
    try:
        tokens, kinds, merges = (fields[f"tokenizer.ggml.{name}"] for name in ("tokens", "token_type", "merges"))
    except KeyError as error:
        raise InputError(f"{path}: its header has no {error}. Use the model's tokenizer.json.") from error
    tokenizer = byte_level_tokenizer(
        {token: number for number, token in enumerate(tokens)},
        [(merge.split(" ", 1)[0], merge.split(" ", 1)[1]) for merge in merges],
        splitter=splitter(*CUTS[cut]),
        special=[token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL],
        whole_words=cut in WHOLE_WORDS,
    )
    always = [token for token, kind in zip(tokens, kinds, strict=True) if kind == USER_DEFINED]
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in always])
    return tokenizer


@dataclass(frozen=True)
class TensorEntry:
    """Where a tensor lies in a file, and what it is."""

    shape: tuple[int, ...]
    """As NumPy has it: the innermost dimension last."""
    kind: int
    """GGML's number of its type."""
    start: int
    """From the beginning of the file, in bytes."""


@dataclass(frozen=True)
class GGUFHeader:
    """What a file says before its numbers begin."""

    fields: dict[str, Any]
    tensors: dict[str, TensorEntry]


def read_header(path: Path) -> GGUFHeader:
    """Fields and places of tensors. Raises InputError if the file ends early or is no GGUF."""
    with path.open("rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Header(data).read()
        except (ValueError, KeyError, IndexError, struct.error, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not a whole GGUF file ({error}).") from error


class _Header:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 0

    def read(self) -> GGUFHeader:
        magic, version, num_tensors, num_fields = struct.unpack("<4sIQQ", self._take(24))
        if magic != MAGIC or version not in (2, 3):
            raise ValueError("its first bytes are not those of GGUF version 2 or 3")
        fields = {self._string(): self._value(self._number("I")) for _ in range(num_fields)}
        found = {self._string(): self._tensor() for _ in range(num_tensors)}
        alignment = max(1, int(fields.get("general.alignment", 32)))
        first = -(-self._at // alignment) * alignment
        tensors = {name: TensorEntry(shape, kind, first + offset) for name, (shape, kind, offset) in found.items()}
        return GGUFHeader(fields, tensors)

    def _tensor(self) -> tuple[tuple[int, ...], int, int]:
        num_dimensions = self._number("I")
        if num_dimensions > 4:
            raise ValueError(f"a tensor of {num_dimensions} dimensions")
        shape = struct.unpack(f"<{num_dimensions}Q", self._take(8 * num_dimensions))
        return shape[::-1], self._number("I"), self._number("Q")

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._string()
        if kind != ARRAY:
            return self._number(FORMATS[kind])
        kind, length = self._number("I"), self._number("Q")
        if kind in (STRING, ARRAY):
            return [self._value(kind) for _ in range(length)]
        form = f"<{length}{FORMATS[kind]}"
        return list(struct.unpack(form, self._take(struct.calcsize(form))))

    def _string(self) -> str:
        return self._take(self._number("Q")).decode()

    def _number(self, form: str) -> Any:
        return struct.unpack(f"<{form}", self._take(struct.calcsize(f"<{form}")))[0]

    def _take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise ValueError(f"it ends within its header, at {len(self._data):,} bytes")
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken
