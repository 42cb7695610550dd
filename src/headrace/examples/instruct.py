"""Conversations: a model learns to say the answers, and the token that ends each, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from headrace.errors import InputError
from headrace.examples.chat_template import ChatTemplate, Message, Place, Rendered
from headrace.examples.encoded import EncodedExamples, Sequences
from headrace.examples.text_ids import set_for_texts
from headrace.tokens.batch import IGNORED


@dataclass(frozen=True)
class InstructSettings:
    """How conversations are encoded."""

    template: ChatTemplate
    max_tokens: int
    """Longest sequence; what comes later in a conversation is cut off."""


@dataclass(frozen=True, eq=False)
class Conversation:
    """Ids of a conversation, and which of them belong to answers."""

    ids: NDArray[np.int32]
    is_answer: NDArray[np.bool_]


def encode_instruct(table: pa.Table, tokenizer: Tokenizer, settings: InstructSettings) -> EncodedExamples:
    """Rows of `messages`, asked for the next token where that belongs to an answer.

    Raises InputError, naming the example, for a conversation that the template refuses.
    """
    most = settings.max_tokens + 1  # the last token is only said, never read
    found = conversations(table["messages"].to_pylist(), tokenizer, settings.template)
    rows = [row_of(each.ids[:most], each.is_answer[:most]) for each in found]
    inputs = Sequences.join([tokens for tokens, _ in rows], [targets for _, targets in rows])
    return EncodedExamples(inputs, num_truncated=sum(len(each.ids) > most for each in found))


def conversations(
    listed: Sequence[Sequence[Message]], tokenizer: Tokenizer, template: ChatTemplate
) -> list[Conversation]:
    """Ids of conversations and their answers, as the template writes them: nothing is added, nothing cut."""
    rendered = []
    for number, messages in enumerate(listed, 1):
        try:
            rendered.append(template.render_answers(messages))
        except InputError as error:
            raise InputError(f"conversation {number:,}: {error}") from error
    with set_for_texts(tokenizer):
        plain = [each.text for each in rendered if each.is_plain]
        tokenizer.encode_special_tokens = False  # no message holds the name of one
        in_one_go = iter(tokenizer.encode_batch(plain, add_special_tokens=False))
        tokenizer.encode_special_tokens = True
        return [
            _conversation(*_ids_and_starts(next(in_one_go)), each.answers)
            if each.is_plain
            else _conversation(*_by_pieces(each, tokenizer), each.answers)
            for each in rendered
        ]


def prompt_ids(messages: Sequence[Message], tokenizer: Tokenizer, template: ChatTemplate) -> list[int]:
    """What a model reads before it answers the last message."""
    rendered = template.render(messages, add_generation_prompt=True)
    with set_for_texts(tokenizer):
        if rendered.is_plain:
            tokenizer.encode_special_tokens = False
            return list(tokenizer.encode(rendered.text, add_special_tokens=False).ids)
        return list(map(int, _by_pieces(rendered, tokenizer)[0]))


def row_of(ids: NDArray[np.int32], is_answer: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """What is read of a sequence, and what each place must say: the next token, where that is of an answer."""
    return ids[:-1].tolist(), np.where(is_answer[1:], ids[1:], IGNORED).tolist()


def _by_pieces(rendered: Rendered, tokenizer: Tokenizer) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Ids and starts of a text whose messages name special tokens: only those of the template are tokens."""
    ids, starts = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    begins = accumulate(map(len, rendered.pieces), initial=0)
    for number, (piece, begin) in enumerate(zip(rendered.pieces, begins, strict=False)):
        if number % 2:
            part = np.array([tokenizer.token_to_id(piece)], np.int32), np.zeros(1, np.int64)
        else:
            part = _ids_and_starts(tokenizer.encode(piece, add_special_tokens=False))
        ids.append(part[0])
        starts.append(part[1] + begin)
    return np.concatenate(ids), np.concatenate(starts)


def _ids_and_starts(found: Encoding) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Ids, and the character that each token begins at."""
    return np.array(found.ids, np.int32), np.array([start for start, _ in found.offsets], np.int64)


def _conversation(ids: NDArray[np.int32], starts: NDArray[np.int64], answers: Sequence[Place]) -> Conversation:
    is_answer = np.zeros(len(ids), np.bool_)
    for start, end in answers:
        is_answer |= (starts >= start) & (starts < end)
    return Conversation(ids, is_answer)
