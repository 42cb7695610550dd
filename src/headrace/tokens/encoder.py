"""Text to ids as Hugging Face `tokenizers` gives them, by gigatoken, tens of times faster.

Texts go in as they lie in Arrow's buffers and ids come out as one array: no Python object per document or token.
"""

import copy
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import awkward as ak
import numpy as np
import orjson
import psutil
from gigatoken import Tokenizer as FastTokenizer
from numpy.typing import NDArray
from tokenizers import Tokenizer

from headrace.corpus.texts import Texts
from headrace.errors import InputError
from headrace.tokens.byte_level import to_bytes
from headrace.tokens.code_point_classes import code_point_classes
from headrace.tokens.encode_kernels import FALLBACK, LONGER, SINGLE, cut_pieces, join_documents
from headrace.tokens.indexed import Tokens, token_type
from headrace.tokens.patterns import NUMBER, TIKTOKEN_CL100K
from headrace.tokens.vocabulary import end_token, load_vocabulary, num_ids
from headrace.tokens.words import WHOLE_RUN
from headrace.trace import event

CACHE_BYTES = 1 << 30  # the fast encoder remembers every word it saw: 13 million took 2 GB
SLOW_BATCH = 256
PROBE = (
    "It's 2,345 mills;\r\n\n  they'll  TURN\u00a0on\tof the of the of the 🙂 e\u0301 水轮，慢慢 the_name() 的的"
    "\n \n  12  x=1234567; HTMLParser's 'S I'M don't/\r\n/ 2024年١٢٣ ½Ⅷ\t\t\n  "
)

FAST_NAMES = {TIKTOKEN_CL100K: TIKTOKEN_CL100K.replace(r"\z", "$")}
"""Expressions that gigatoken knows, written otherwise: its `$` is the end of the text."""


@dataclass(frozen=True)
class Encoded:
    """What became of N texts."""

    ids: Tokens
    """Of all texts end to end, each followed by the end of its document."""
    lengths: NDArray[np.int32]
    """(N,) tokens of each text, its end included."""
    single_bytes: NDArray[np.int32]
    """(N,) bytes of each text that became tokens of one byte."""
    fallback_bytes: NDArray[np.int32]
    """(N,) those of them that are only part of a sign."""


class Words(Protocol):
    """What turns texts into ids without ends."""

    def __call__(self, texts: Texts) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The ids of all texts, and where those of each end."""


class Encoder:
    """Text to ids; text that looks like a special token stays text. Threads may share one."""

    def __init__(self, path: Path) -> None:
        """Reads a `tokenizer.json`. Raises InputError for a kind that gives other ids every time, or loses text."""
        tokenizer = load_vocabulary(path)
        self.end_of_document = end_token(tokenizer, path)
        self.kind = token_type(num_ids(tokenizer))
        self._kinds = _kinds_of_tokens(tokenizer)
        self._words = choose_words(tokenizer, str(path))

    def encode(self, texts: Texts) -> Encoded:
        """The ids of all texts, which must be valid UTF-8."""
        ids, ends = self._words(texts)
        joined = np.empty(len(ids) + len(texts), self.kind)
        counts = np.empty((3, len(texts)), np.int32)
        join_documents(ids, ends, self.end_of_document, self._kinds, joined, counts)
        return Encoded(joined, *counts)


class _Fast:
    """gigatoken. Memory stays bounded: when what it remembers has grown too large, it forgets everything."""

    def __init__(self, description: dict[str, Any], cut_digits: int = 0) -> None:
        self._description, self._cut_digits = orjson.dumps(description), cut_digits
        self._renewing = threading.Lock()
        self._renew()

    def __call__(self, texts: Texts) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        offsets, ends = texts.offsets, None
        if self._cut_digits:
            offsets, ends = cut_pieces(texts.data, texts.offsets, code_point_classes(), self._cut_digits)
        tokenizer = self._tokenizer  # another thread may renew it meanwhile
        found = tokenizer.encode_batch(_as_awkward(texts.data, offsets), parallel=False)
        if self._process.memory_info().rss > self._most_bytes and self._renewing.acquire(blocking=False):
            self._renew()
            self._renewing.release()
        places = np.asarray(found.layout.offsets.data, np.int64)
        ids = np.asarray(found.layout.content.data)[places[0] : places[-1]]
        places = places - places[0]
        return ids, places[1:] if ends is None else places[ends]

    def _renew(self) -> None:
        self._tokenizer = FastTokenizer.from_json(self._description)
        self._process = psutil.Process()
        self._most_bytes = self._process.memory_info().rss + CACHE_BYTES


class _Slow:
    """`tokenizers` itself, for what gigatoken does not know: about 5 MB/s."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __call__(self, texts: Texts) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        parts: list[NDArray[np.uint32]] = [np.empty(0, np.uint32)]
        for first in range(0, len(texts), SLOW_BATCH):
            batch = [texts[index] for index in range(first, min(first + SLOW_BATCH, len(texts)))]
            found = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            parts += [np.asarray(encoding.ids, np.uint32) for encoding in found]
        ends = np.cumsum([len(part) for part in parts[1:]], dtype=np.int64)
        return np.concatenate(parts), ends


def choose_words(tokenizer: Tokenizer, name: str) -> Words:
    """The fastest way that gives the ids of `tokenizers` for a text of many kinds of signs.

    `name`: what it is called where it must be refused. The tokenizer is set to take special tokens in texts for text.
    """
    tokenizer.encode_special_tokens = True
    description = orjson.loads(tokenizer.to_str())
    if description["model"].get("dropout"):
        raise InputError(f"{name}: drops merges at random, so ids would not be those of another time. Remove dropout.")
    probe = PROBE + " ".join(token["content"] for token in description["added_tokens"])
    wanted = tokenizer.encode(probe, add_special_tokens=False).ids
    complaint = "its ids are others"
    for variant, cut_digits in _fast_variants(description):
        try:
            words = _Fast(variant, cut_digits)
        except RuntimeError as error:
            complaint = str(error).splitlines()[0]
            continue
        if words(Texts.from_strings([probe]))[0].tolist() == wanted:
            return words
    if tokenizer.decode(wanted, skip_special_tokens=False) != probe:
        raise InputError(
            f"{name}: decoding what it encoded does not give the text back. Use a byte-level BPE tokenizer."
        )
    event("slow_vocabulary", path=name, cause=complaint)
    return _Slow(tokenizer)


def _fast_variants(description: dict[str, Any]) -> list[tuple[dict[str, Any], int]]:
    """The description as gigatoken may know it; then with the digits cut out beforehand, by us."""
    plain = description | {
        "pre_tokenizer": copy.deepcopy(description["pre_tokenizer"])
    }  # a vocabulary is no small copy
    # Without the special tokens nothing in a document can be mistaken for one; they keep their ids in the model's part.
    plain["added_tokens"] = [token for token in plain["added_tokens"] if not token["special"]]
    plain["post_processor"] = None
    splitter = plain["pre_tokenizer"] or {}
    steps = splitter.get("pretokenizers", [])
    for step in steps:
        expression = (step.get("pattern") or {}).get("Regex")
        if expression in FAST_NAMES:
            step["pattern"]["Regex"] = FAST_NAMES[expression]
    variants = [(plain, 0)]
    if len(steps) > 1 and (cut_digits := _cut_of(steps[0])):
        rest = steps[1] if len(steps) == 2 else splitter | {"pretokenizers": steps[1:]}
        variants.append((plain | {"pre_tokenizer": rest}, cut_digits))
    return variants


def _cut_of(step: dict[str, Any]) -> int:
    """How many digits a step of a pre-tokenizer cuts out at a time; 0 if it does something else."""
    if step["type"] == "Digits":
        return 1 if step["individual_digits"] else WHOLE_RUN
    if step["type"] == "Split" and step["behavior"] == "Isolated" and not step["invert"]:
        return {NUMBER["single"]: 1, NUMBER["groups_of_3"]: 3}.get(step["pattern"].get("Regex", ""), 0)
    return 0


def _as_awkward(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> ak.Array:
    letters = ak.contents.NumpyArray(data, parameters={"__array__": "char"})
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), letters, parameters={"__array__": "string"}))


def _kinds_of_tokens(tokenizer: Tokenizer) -> NDArray[np.uint8]:
    """(V,) whether a token is longer than a byte, one byte that is a sign, or one that is only part of one."""
    kinds = np.full(num_ids(tokenizer), LONGER, np.uint8)
    for token, number in tokenizer.get_vocab(with_added_tokens=False).items():
        if len(token) == 1:
            try:
                kinds[number] = SINGLE if to_bytes(token)[0] < 0x80 else FALLBACK
            except KeyError:  # a vocabulary of signs, not of bytes
                kinds[number] = SINGLE if token.isascii() else LONGER
        elif len(token) == 6 and token.startswith("<0x"):
            kinds[number] = FALLBACK
    return kinds
