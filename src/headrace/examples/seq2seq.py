"""One text and the other that it becomes: for an encoder and a decoder, or in one row for a decoder alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.examples.encoded import EncodedExamples, Ids, Sequences
from headrace.examples.text_ids import ids_of_texts
from headrace.tokens.batch import IGNORED


@dataclass(frozen=True)
class Seq2SeqSettings:
    """How pairs of texts are encoded."""

    max_source_tokens: int
    """Longest source, its end included."""
    max_target_tokens: int
    """Longest target, its end included."""
    end_token: int
    """What ends a text."""
    begin_tokens: tuple[int, ...]
    """What a decoder begins to read with; the model learns to say the first token behind it."""
    separator_tokens: tuple[int, ...] = ()
    """What stands between source and target in one row."""


def encode_seq2seq(table: pa.Table, tokenizer: Tokenizer, settings: Seq2SeqSettings) -> EncodedExamples:
    """Sources with their end; inputs that begin with `begin_tokens`, and targets that end with `end_token`.

    Without a `target` column inputs are what decoding starts from, and nothing is asked.
    """
    sources, targets, num_truncated = _cut_pairs(table, tokenizer, settings)
    end = settings.end_token
    begin = [[*settings.begin_tokens] for _ in sources]
    inputs = _continued(begin, targets, end=end)
    return EncodedExamples(
        inputs, sources=Sequences.join([[*ids, end] for ids in sources]), num_truncated=num_truncated
    )


def encode_seq2seq_rows(table: pa.Table, tokenizer: Tokenizer, settings: Seq2SeqSettings) -> EncodedExamples:
    """Rows of begin, source, separator, target and end, of which target and end are asked.

    Raises InputError without a separator: nobody could tell where a source ends.
    """
    if not settings.separator_tokens:
        raise InputError("seq2seq with a decoder alone: no separator tokens, so nobody could tell where a source ends.")
    sources, targets, num_truncated = _cut_pairs(table, tokenizer, settings)
    prompts = [[*settings.begin_tokens, *ids, *settings.separator_tokens] for ids in sources]
    return EncodedExamples(_continued(prompts, targets, end=settings.end_token), num_truncated=num_truncated)


def _cut_pairs(
    table: pa.Table, tokenizer: Tokenizer, settings: Seq2SeqSettings
) -> tuple[list[list[int]], list[list[int]] | None, int]:
    """Ids of sources and targets without ends, each with room for one, and how many pairs were cut."""
    for name, most in (("source", settings.max_source_tokens), ("target", settings.max_target_tokens)):
        if most < 2:
            raise InputError(f"max_{name}_tokens: got {most}, wanted at least 2: a token and the end.")
    if not settings.begin_tokens:
        raise InputError("seq2seq: no begin tokens, so a decoder would have nothing to read before its first word.")
    sources = ids_of_texts(tokenizer, table["source"].to_pylist())
    has_targets = "target" in table.column_names
    targets = ids_of_texts(tokenizer, table["target"].to_pylist()) if has_targets else [[] for _ in sources]
    most_source, most_target = settings.max_source_tokens - 1, settings.max_target_tokens - 1
    num_truncated = sum(
        len(source) > most_source or len(target) > most_target for source, target in zip(sources, targets, strict=True)
    )
    cut = [ids[:most_target] for ids in targets] if has_targets else None
    return [ids[:most_source] for ids in sources], cut, num_truncated


def _continued(prompts: Sequence[Ids], targets: Sequence[Ids] | None, *, end: int) -> Sequences:
    """Rows of prompt and target, each place asked for the next token where that is of the target or its end."""
    if targets is None:
        return Sequences.join(prompts)
    pairs = list(zip(prompts, targets, strict=True))
    return Sequences.join(
        [[*prompt, *target] for prompt, target in pairs],
        [[*[IGNORED] * (len(prompt) - 1), *target, end] for prompt, target in pairs],
    )
