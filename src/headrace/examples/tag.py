"""Words and their tags: each word's first sub-word carries its tag, the others are not asked.

Words are encoded one by one, with the space that stands before them, so no token is of two words. A word without any
token (a lone control character) keeps a place as an unknown token: every word that was not cut off has one target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.examples.encoded import EncodedExamples, Sequences
from headrace.examples.text_ids import check_length, frame, ids_of_texts
from headrace.examples.words import spaced_words
from headrace.tokens.batch import IGNORED

OUTSIDE = "O"


@dataclass(frozen=True)
class TagSettings:
    """How sentences to tag are encoded."""

    tags: Sequence[str]
    """Names of the tags, in the order of their numbers."""
    max_tokens: int
    """Longest sequence."""
    begin_tokens: tuple[int, ...] = ()
    """What a sequence begins with if the vocabulary adds nothing by itself."""


def encode_tag(table: pa.Table, tokenizer: Tokenizer, settings: TagSettings) -> EncodedExamples:
    """Sentences of `tokens`; targets are numbers of `tags` at first sub-words, 0 there if the table has no tags.

    Raises InputError for a tag that is none of the settings'.
    """
    sentences = [spaced_words(words) for words in table["tokens"].to_pylist()]
    asked = _tag_numbers(table, settings.tags) or [[0] * len(words) for words in sentences]
    ids_of = _ids_by_word(tokenizer, sentences, placeholder=_placeholder(tokenizer, settings))
    before, behind = frame(tokenizer, begin_tokens=settings.begin_tokens)
    check_length(settings.max_tokens, len(before) + len(behind))
    room = settings.max_tokens - len(before) - len(behind)
    tokens, targets, num_truncated = [], [], 0
    for words, numbers in zip(sentences, asked, strict=True):
        parts = [ids_of[word] for word in words]
        ids = [number for part in parts for number in part]
        places = [IGNORED] * len(ids)
        for start, number in zip(accumulate(map(len, parts), initial=0), numbers, strict=False):
            places[start] = number
        num_truncated += len(ids) > room
        tokens.append([*before, *ids[:room], *behind])
        targets.append([IGNORED] * len(before) + places[:room] + [IGNORED] * len(behind))
    return EncodedExamples(Sequences.join(tokens, targets), num_truncated=num_truncated)


def tags_of_words(
    predictions_T: NDArray[np.integer], inputs: Sequences, *, num_words: Sequence[int], tags: Sequence[str]
) -> list[list[str]]:
    """The tag of each word of each sentence: what was said at its first sub-word; `O` for words that were cut off.

    predictions_T: numbers of tags for every token of `inputs`, what was said elsewhere is not looked at.
    """
    asked_T = inputs.targets != IGNORED
    found: list[list[str]] = []
    for start, end, wanted in zip(inputs.bounds, inputs.bounds[1:], num_words, strict=False):
        said = predictions_T[start:end][asked_T[start:end]]
        names = [tags[number] for number in said]
        found.append(names + [OUTSIDE] * (wanted - len(names)))
    return found


def _tag_numbers(table: pa.Table, tags: Sequence[str]) -> list[list[int]] | None:
    if "tags" not in table.column_names:
        return None
    numbers = {name: number for number, name in enumerate(tags)}
    try:
        return [[numbers[name] for name in names] for names in table["tags"].to_pylist()]
    except KeyError as error:
        raise InputError(f"tags: got {error.args[0]!r}, wanted one of {', '.join(tags)}.") from error


def _ids_by_word(tokenizer: Tokenizer, sentences: Sequence[Sequence[str]], *, placeholder: int) -> dict[str, list[int]]:
    """The ids of every different word."""
    words = list(dict.fromkeys(word for sentence in sentences for word in sentence))
    found = zip(words, ids_of_texts(tokenizer, words), strict=True)
    return {word: ids or [placeholder] for word, ids in found}


def _placeholder(tokenizer: Tokenizer, settings: TagSettings) -> int:
    """What stands for a word without tokens: the unknown token, else the first that every sequence begins with."""
    name = orjson.loads(tokenizer.to_str())["model"].get("unk_token") or "[UNK]"
    number = tokenizer.token_to_id(name)
    before, _ = frame(tokenizer, begin_tokens=settings.begin_tokens)
    return int(number) if number is not None else [*before, 0][0]
