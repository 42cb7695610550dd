"""Which kind of file a path is, and its tokenizer."""

from pathlib import Path

from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.tokens.formats.gguf import read_gguf
from headrace.tokens.formats.gpt2 import PAIRS, read_gpt2
from headrace.tokens.formats.tiktoken import read_tiktoken
from headrace.tokens.patterns import PatternName

TOKENIZER = "tokenizer.json"


def files_of(path: Path) -> list[Path]:
    """The files that a path names: itself, or a pair beside each other. Raises InputError if there are none."""
    if path.is_dir():
        if (path / TOKENIZER).is_file():
            return [path / TOKENIZER]
        for pair in PAIRS:
            if all((path / name).is_file() for name in pair):
                return [path / name for name in pair]
        wanted = " or ".join([TOKENIZER, *(" with ".join(pair) for pair in PAIRS)])
        raise InputError(f"{path}: holds no {wanted}. Name the file itself.")
    for pair in PAIRS:
        if path.name in pair:
            return [path.with_name(name) for name in pair]
    return [path]


def read_vocabulary(path: Path, *, pattern: PatternName | None = None) -> Tokenizer:
    """The tokenizer in a file or folder. Raises InputError if there is none.

    pattern: how text is cut, for ranks in a file whose name does not tell.
    """
    files = files_of(path)
    if missing := [file for file in files if not file.is_file()]:
        raise InputError(f"{missing[0]}: no such file. Write where the vocabulary lies, relative to the recipe.")
    if len(files) == 2:
        return read_gpt2(*files)
    if path.suffix == ".tiktoken":
        return read_tiktoken(path, pattern)
    if pattern is not None:
        raise InputError(f"{path}: says itself how text is cut; leave `pattern` out.")
    return read_gguf(path) if path.suffix == ".gguf" else _read_tokenizer(files[0])


def _read_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception for every kind of bad file
        raise InputError(f"{path}: not a readable tokenizer.json ({error}).") from error
