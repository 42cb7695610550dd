"""GPT-2's two files: tokens with their numbers, and merges in order."""

from pathlib import Path

import orjson
from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.tokens.formats.assemble import byte_level_tokenizer
from headrace.tokens.patterns import splitter

PAIRS = (("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt"))
"""What OpenAI called them, and what Hugging Face calls them."""

END = "<|endoftext|>"


def read_gpt2(tokens_path: Path, merges_path: Path) -> Tokenizer:
    """The tokenizer of both files. Raises InputError if either is not what it should be."""
    try:
        tokens = orjson.loads(tokens_path.read_bytes())
        if not all(isinstance(number, int) for number in tokens.values()):
            raise ValueError("a token's number is no number")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{tokens_path}: not a JSON table of tokens and their numbers ({error}).") from error
    try:
        lines = merges_path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{merges_path}: not a list of merges ({error}).") from error
    merges = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    bad = next((merge for merge in merges if len(merge) != 2 or "".join(merge) not in tokens), None)
    if bad is not None or not merges:
        shown = "it is empty" if bad is None else f"{' '.join(bad)!r} makes no token of {tokens_path.name}"
        raise InputError(f"{merges_path}: not the merges of that vocabulary: {shown}.")
    return byte_level_tokenizer(
        tokens,
        [(left, right) for left, right in merges],
        splitter=splitter("gpt2", "as_is"),
        special=[END] if END in tokens else [],
    )
