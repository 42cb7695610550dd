"""Two answers to one prompt, of which one is preferred: two sequences an example, asked for their answers only."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.examples.chat_template import ChatTemplate
from headrace.examples.encoded import EncodedExamples, Sequences
from headrace.examples.instruct import conversations
from headrace.examples.text_ids import ids_of_texts
from headrace.tokens.batch import IGNORED

Side = tuple[list[int], list[int]]
"""Ids of a prompt and of an answer."""


@dataclass(frozen=True)
class PreferSettings:
    """How prompts with two answers are encoded."""

    max_tokens: int
    """Longest sequence. Of a longer one the beginning of the prompt goes, down to half of it, then the answer's end."""
    end_token: int
    """What ends an answer."""
    begin_tokens: tuple[int, ...]
    """What a sequence begins with, without a template."""
    template: ChatTemplate | None = None
    """Writes prompt and answer as a conversation; None: they stand as they are, one behind the other."""


def encode_prefer(table: pa.Table, tokenizer: Tokenizer, settings: PreferSettings) -> EncodedExamples:
    """For every example the preferred answer's sequence and then the other's, behind the same prompt."""
    if settings.max_tokens < 4:
        raise InputError(f"max_tokens: got {settings.max_tokens}, wanted at least 4 for a prompt and an answer.")
    chosen, rejected = (_sides(table, tokenizer, settings, answer=name) for name in ("chosen", "rejected"))
    tokens, targets, num_truncated = [], [], 0
    for pair in zip(chosen, rejected, strict=True):
        cut = _cut(pair, settings)
        num_truncated += cut != pair
        for prompt, answer in cut:
            ids = [*prompt, *answer]
            tokens.append(ids[:-1])
            targets.append([IGNORED] * (len(prompt) - 1) + answer)
    inputs = Sequences.join(tokens, targets)
    return EncodedExamples(inputs, sequences_per_example=2, num_truncated=num_truncated)


def _sides(table: pa.Table, tokenizer: Tokenizer, settings: PreferSettings, *, answer: str) -> list[Side]:
    """Prompts and answers of one kind, whole."""
    prompts, answers = table["prompt"].to_pylist(), table[answer].to_pylist()
    if settings.template is None:
        begin, end = [*settings.begin_tokens], settings.end_token
        pairs = zip(ids_of_texts(tokenizer, prompts), ids_of_texts(tokenizer, answers), strict=True)
        return [([*begin, *prompt], [*said, end]) for prompt, said in pairs]
    listed = [
        [{"role": "user", "content": prompt}, {"role": "assistant", "content": said}]
        for prompt, said in zip(prompts, answers, strict=True)
    ]
    sides = []
    for found in conversations(listed, tokenizer, settings.template):
        places = np.flatnonzero(found.is_answer)
        first, last = int(places[0]), int(places[-1]) + 1
        sides.append((found.ids[:first].tolist(), found.ids[first:last].tolist()))
    return sides


def _cut(pair: tuple[Side, Side], settings: PreferSettings) -> tuple[Side, Side]:
    """Both sides within the limit, their prompts cut alike."""
    most = settings.max_tokens + 1  # the last token is only said, never read
    longest = max(len(answer) for _, answer in pair)
    num_prompt = max(most - longest, most // 2)
    num_begin = 0 if settings.template else len(settings.begin_tokens)
    cut = []
    for prompt, answer in pair:
        if len(prompt) > num_prompt:
            prompt = [*prompt[:num_begin], *prompt[len(prompt) - max(0, num_prompt - num_begin) :]]
        cut.append((prompt, answer[: most - len(prompt)]))
    return cut[0], cut[1]
