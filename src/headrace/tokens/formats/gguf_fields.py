"""The header entries that carry a tokenizer in a GGUF file: what `read_gguf` reads, the other way round."""

from typing import Any

import orjson
from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.tokens.formats.gguf import CONTROL, CUTS, USER_DEFINED, WHOLE_WORDS
from headrace.tokens.patterns import splitter

NORMAL, UNUSED = 1, 5
"""Of `tokenizer.ggml.token_type`: a token that merges make, and an id that nothing has."""


def gguf_fields(tokenizer: Tokenizer, *, vocabulary_size: int) -> dict[str, Any]:
    """The entries below `tokenizer.ggml.`, with as many tokens as the model has.

    Raises InputError for a tokenizer that is not byte-level BPE or cuts text in a way that llama.cpp has no name for.
    """
    described = orjson.loads(tokenizer.to_str())
    model = described["model"]
    if model.get("type") != "BPE":
        raise InputError(f"a tokenizer of the kind {model.get('type')}: GGUF is written for byte-level BPE only.")
    added = {token["id"]: token for token in described["added_tokens"]}
    names = {number: token for token, number in model["vocab"].items()}
    names |= {number: token["content"] for number, token in added.items()}
    kinds = {number: CONTROL if token["special"] else USER_DEFINED for number, token in added.items()}
    numbers = range(max(vocabulary_size, 1 + max(names)))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return {
        "model": "gpt2",
        "pre": _name_of_cut(described["pre_tokenizer"], whole_words=bool(model.get("ignore_merges"))),
        "tokens": [names.get(number, f"[PAD{number}]") for number in numbers],
        "token_type": [kinds.get(number, NORMAL if number in names else UNUSED) for number in numbers],
        "merges": merges,
    }


def _name_of_cut(pre_tokenizer: Any, *, whole_words: bool) -> str:
    """What llama.cpp calls a way to cut text."""
    for name, cut in CUTS.items():
        if (name in WHOLE_WORDS) == whole_words and _described(cut) == _plain(pre_tokenizer):
            return name
    raise InputError("the tokenizer cuts text in a way that llama.cpp has no name for: it cannot be written as GGUF.")


def _described(cut: Any) -> Any:
    carrier = Tokenizer.from_str('{"model": {"type": "BPE", "vocab": {}, "merges": []}}')
    carrier.pre_tokenizer = splitter(*cut)
    return _plain(orjson.loads(carrier.to_str())["pre_tokenizer"])


def _plain(described: Any) -> Any:
    """Without `trim_offsets`, which changes no token."""
    if isinstance(described, dict):
        return {name: _plain(value) for name, value in described.items() if name != "trim_offsets"}
    return [_plain(value) for value in described] if isinstance(described, list) else described
