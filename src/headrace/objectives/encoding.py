"""Examples to sequences, as an objective and the vocabulary of a model want them (needs no torch)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from headrace.examples.chat_template import ChatTemplate, default_template
from headrace.examples.classify import ClassifySettings, encode_classify
from headrace.examples.encoded import EncodedExamples, Sequences
from headrace.examples.instruct import InstructSettings, encode_instruct
from headrace.examples.prefer import PreferSettings, encode_prefer
from headrace.examples.seq2seq import Seq2SeqSettings, encode_seq2seq, encode_seq2seq_rows
from headrace.examples.tag import TagSettings, encode_tag
from headrace.objectives.config import (
    ClassifyConfig,
    ExampleObjectiveConfig,
    InstructConfig,
    PreferConfig,
    SeqToSeqConfig,
    TagConfig,
)
from headrace.tokens.batch import IGNORED


@dataclass(frozen=True)
class ModelVocabulary:
    """A vocabulary, and how a model uses it."""

    tokenizer: Tokenizer
    end_token: int
    """Ends a text."""
    begin_tokens: tuple[int, ...]
    """What a text begins with."""
    start_token: int
    """What the target of an encoder-decoder begins with."""
    chat_template: str | None = None

    @property
    def template(self) -> ChatTemplate:
        """How conversations are written; raises InputError if the model's own way is broken."""
        return ChatTemplate(
            self.template_source, self.tokenizer, names={"eos_token": self._name(self.end_token), **self._begin}
        )

    @property
    def template_source(self) -> str:
        """The model's template, or the one that stands in for it."""
        return self.chat_template or default_template(self.tokenizer)

    @property
    def _begin(self) -> dict[str, str]:
        return {"bos_token": self._name(self.begin_tokens[0])} if self.begin_tokens else {}

    def _name(self, number: int) -> str:
        return str(self.tokenizer.id_to_token(number))


@dataclass(frozen=True)
class ExampleEncoder:
    """How examples of one kind become what a model of one shape reads."""

    objective: ExampleObjectiveConfig
    shape: Literal["decoder", "encoder", "encoder_decoder"]
    vocabulary: ModelVocabulary
    names: Sequence[str] = ()
    """Of classes or tags, in the order of their numbers."""
    num_placeholders: int = 0
    """Tokens before each sequence, in whose place an adapter puts learnt vectors."""

    def __call__(self, table: pa.Table) -> EncodedExamples:
        """The examples of a table. Raises InputError for those that cannot be encoded."""
        encoded = self._encode(table)
        if not self.num_placeholders:
            return encoded
        count, placeholder = self.num_placeholders, self.vocabulary.end_token
        if encoded.sources is not None:  # what is read has the prompt, not what is written
            return replace(encoded, sources=behind(encoded.sources, count, token=placeholder))
        return replace(encoded, inputs=behind(encoded.inputs, count, token=placeholder))

    def _encode(self, table: pa.Table) -> EncodedExamples:
        objective, vocabulary = self.objective, self.vocabulary
        tokenizer, most = vocabulary.tokenizer, objective.max_tokens - self.num_placeholders
        begin = vocabulary.begin_tokens or (vocabulary.end_token,)
        if isinstance(objective, ClassifyConfig):
            return encode_classify(table, tokenizer, ClassifySettings(self.names, most, begin))
        if isinstance(objective, TagConfig):
            return encode_tag(table, tokenizer, TagSettings(self.names, most, begin))
        if isinstance(objective, InstructConfig):
            return encode_instruct(table, tokenizer, InstructSettings(vocabulary.template, most))
        if isinstance(objective, PreferConfig):
            template = vocabulary.template if vocabulary.chat_template else None
            return encode_prefer(table, tokenizer, PreferSettings(most, vocabulary.end_token, begin, template))
        assert isinstance(objective, SeqToSeqConfig), "there is no other objective on examples"
        if self.shape == "encoder_decoder":
            start = (vocabulary.start_token,)
            settings = Seq2SeqSettings(most, objective.max_tokens, vocabulary.end_token, start)
            return encode_seq2seq(table, tokenizer, settings)
        separator = (vocabulary.end_token,)
        return encode_seq2seq_rows(
            table, tokenizer, Seq2SeqSettings(most // 2, most // 2, vocabulary.end_token, begin, separator)
        )


def behind(found: Sequences, count: int, *, token: int) -> Sequences:
    """The same sequences, each behind so many tokens that stand for learnt vectors; nothing is asked of those."""
    bounds = found.bounds + count * np.arange(len(found.bounds))
    places = np.arange(found.bounds[-1]) + np.repeat(count * np.arange(1, len(found) + 1), found.lengths)

    def spread(values: np.ndarray, filling: int) -> np.ndarray:
        result = np.full(bounds[-1], filling, values.dtype)
        result[places] = values
        return result

    types = None if found.token_types is None else spread(found.token_types, 0)
    return Sequences(spread(found.tokens, token), spread(found.targets, IGNORED), bounds, types)
