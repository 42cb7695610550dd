"""tiktoken's files of ranks: a token and its number a line. How text is cut and what is special stands elsewhere.

tiktoken joins any two neighbours whose bytes together are a token, the one of lowest rank first. The same comes of a
list of merges with every way to part every token in two, in order of rank.
Source: tiktoken, src/lib.rs `_byte_pair_merge`; patterns and special tokens: tiktoken_ext/openai_public.py.
"""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.tokens.byte_level import to_signs
from headrace.tokens.formats.assemble import byte_level_tokenizer
from headrace.tokens.patterns import TIKTOKEN_CL100K, PatternName, cut_by, splitter


@dataclass(frozen=True)
class Encoding:
    """What a file of ranks does not say."""

    pattern: PatternName
    special: dict[str, int]


END = "<|endoftext|>"
KNOWN = {
    "gpt2": Encoding("gpt2", {END: 50256}),
    "r50k_base": Encoding("gpt2", {END: 50256}),
    "p50k_base": Encoding("gpt2", {END: 50256}),
    "cl100k_base": Encoding(
        "cl100k",
        {
            END: 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
    "o200k_base": Encoding("o200k", {END: 199999, "<|endofprompt|>": 200018}),
}


def read_tiktoken(path: Path, pattern: PatternName | None) -> Tokenizer:
    """The tokenizer of a file of ranks, whose name or `pattern` says how text is cut.

    Ranks without a known name get an end-of-document token behind the last.
    Raises InputError for anything that is not a line of ranks, and if nothing says how text is cut.
    """
    ranks = _read_ranks(path)
    encoding = KNOWN.get(path.stem) if pattern is None else Encoding(pattern, {END: max(ranks.values()) + 1})
    if encoding is None:
        raise InputError(
            f"{path}: a file of ranks does not say how text is cut, and its name is none of {', '.join(KNOWN)}. "
            "Add `pattern: gpt2`, `cl100k` or `o200k`."
        )
    taken = set(encoding.special.values()) & set(ranks.values())
    if taken:
        raise InputError(f"{path}: not the ranks of {path.stem}: {min(taken)} is a special token there. Rename it.")
    tokens = {to_signs(token): rank for token, rank in ranks.items()} | encoding.special
    return byte_level_tokenizer(
        tokens,
        _merges(ranks),
        splitter=cut_by(TIKTOKEN_CL100K) if encoding.pattern == "cl100k" else splitter(encoding.pattern, "as_is"),
        special=list(encoding.special),
        whole_words=True,
    )


def _read_ranks(path: Path) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line:
            continue
        try:
            token, rank = line.split(b" ")
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise InputError(f"{path}: line {number} is not a token in base64 and its rank.") from error
    missing = next((byte for byte in range(256) if bytes([byte]) not in ranks), None)
    if missing is not None or len(set(ranks.values())) != len(ranks):
        wrong = "two tokens have one rank" if missing is None else f"the byte {missing} has no rank"
        raise InputError(f"{path}: not a whole vocabulary: {wrong}.")
    return ranks


def _merges(ranks: dict[bytes, int]) -> list[tuple[str, str]]:
    merges = []
    for token, _ in sorted(ranks.items(), key=lambda item: item[1]):
        parts = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        found = [pair for pair in parts if pair[0] in ranks and pair[1] in ranks]
        found.sort(key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
        merges += [(to_signs(left), to_signs(right)) for left, right in found]
    return merges
