"""What a model that learnt from examples makes of texts.

Shape letters: N examples, C classes, T tokens.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import nn

from headrace.errors import InputError
from headrace.examples.encoded import EncodedExamples
from headrace.examples.instruct import prompt_ids
from headrace.examples.stream import ExamplePart, ExampleStream, Sizes
from headrace.examples.tag import tags_of_words
from headrace.models.adapters.config import AdapterConfig
from headrace.models.decoder import Decoder
from headrace.models.encoder import Encoder
from headrace.models.encoder_decoder import EncoderDecoder
from headrace.models.families import Facts, family_for
from headrace.models.foreign.folder import (
    foreign_facts,
    has_head,
    is_foreign,
    load_foreign,
    load_foreign_task,
    read_foreign_config,
)
from headrace.models.foreign.model import Foreign, ForeignModel
from headrace.models.heads import Headed
from headrace.models.hugging_face import CONFIG, HEADS, OURS, load_model, read_config, read_weights
from headrace.models.machine import use_machine_well
from headrace.models.opened import end_of_texts
from headrace.models.task_folder import Task, head_name, load_task_model
from headrace.models.transformer import Transformer
from headrace.objectives.config import (
    ClassifyConfig,
    ExampleFields,
    ExampleObjectiveConfig,
    ObjectiveConfig,
    TagConfig,
)
from headrace.objectives.encoding import ExampleEncoder, ModelVocabulary
from headrace.objectives.examples import class_logits, tag_logits
from headrace.objectives.prefer import sequence_log_likelihoods
from headrace.serve.continuing import Written, continue_prompts
from headrace.serve.foreign import continue_foreign, write_foreign
from headrace.serve.sampling import SamplingConfig
from headrace.serve.writing import SequenceWriter, WritingConfig
from headrace.tokens.batch import IGNORED
from headrace.tokens.formats import read_vocabulary
from headrace.train.given import vocabulary_used

BATCH_EXAMPLES = 256
PART_TOKENS = 4096
PROMPTS_AT_ONCE = 32
LONGEST_ANSWER = 128
ADAPTER = "adapter"


@dataclass(frozen=True)
class Exact:
    """Products in float32, whatever training computed in."""

    compiled: bool = False

    def autocast(self) -> AbstractContextManager[object]:
        return nullcontext()


class Predictor:
    """A loaded model with its objective. Not thread safe."""

    def __init__(self, folder: Path, *, objective: ExampleObjectiveConfig | None = None) -> None:
        """Loads a model folder. objective: what it is to do, where the folder does not say.

        Raises InputError for a folder that cannot be read, or says of no task.
        """
        use_machine_well()
        described = read_foreign_config(folder) if is_foreign(folder) else read_config(folder)
        self.objective = objective or _objective_of(folder, described)
        loaded = _load_foreign(folder) if is_foreign(folder) else _load(folder)
        self.labels, self.is_multi_label = loaded.labels, loaded.task == "classify_many"
        self._model, self._body, self._facts = loaded.model.eval(), loaded.body, loaded.facts
        placeholders = _attach(folder, described, loaded)
        self.vocabulary = vocabulary_of(folder, loaded.facts)
        self._encoder = ExampleEncoder(
            self.objective, loaded.body.config.shape, self.vocabulary, self.labels, num_placeholders=placeholders
        )

    def encode(self, table: pa.Table) -> EncodedExamples:
        """Examples as the model reads them."""
        return self._encoder(table)

    @torch.inference_mode()
    def class_probabilities(self, encoded: EncodedExamples) -> NDArray[np.float64]:
        """The probability of each class (N, C); rows sum to 1, unless any number of labels may hold."""
        assert isinstance(self.objective, ClassifyConfig), "only a classifier knows classes"
        found = np.zeros((len(encoded), len(self.labels)))
        for part in self._parts(encoded):
            logits_NC = class_logits(self._model, part, Exact()).double()
            found[part.numbers] = (logits_NC.sigmoid() if self.is_multi_label else logits_NC.softmax(1)).numpy()
        return found

    @torch.inference_mode()
    def tags(self, encoded: EncodedExamples, num_words: Sequence[int]) -> list[list[str]]:
        """The tag of every word of every sentence."""
        assert isinstance(self.objective, TagConfig), "only a tagger knows tags"
        said_T = np.zeros(len(encoded.inputs.tokens), np.int64)
        for part in self._parts(encoded):
            logits_NC, _ = tag_logits(self._model, part, Exact())
            rows = part.rows
            asked = rows.targets_BT != IGNORED
            start_N = encoded.inputs.bounds[part.numbers]
            said_T[start_N[rows.documents_BT[asked]] + rows.positions_BT[asked]] = logits_NC.argmax(1).numpy()
        return tags_of_words(said_T, encoded.inputs, num_words=num_words, tags=self.labels)

    @torch.inference_mode()
    def log_likelihoods(self, encoded: EncodedExamples) -> NDArray[np.float64]:
        """Of the tokens that are asked of each sequence, summed, in nats."""
        found = np.zeros(len(encoded.inputs))
        each = np.arange(encoded.sequences_per_example)
        for part in self._parts(encoded):
            numbers = (part.numbers[:, None] * encoded.sequences_per_example + each).ravel()
            found[numbers] = sequence_log_likelihoods(self._model, part, Exact()).double().numpy()
        return found

    def write(self, table: pa.Table, config: WritingConfig | None = None) -> list[str]:
        """The text that belongs to each `source`."""
        encoded = self.encode(table.drop_columns([name for name in ("target",) if name in table.column_names]))
        tokenizer = self.vocabulary.tokenizer
        if encoded.sources is not None:
            written = self._write_from(_split(encoded.sources.tokens, encoded.sources.bounds), config)
        else:
            prompts = _split(encoded.inputs.tokens, encoded.inputs.bounds)
            written = self._continue(prompts, (config or WritingConfig()).max_tokens)
        return [tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in written]

    def _write_from(self, sources: list[list[int]], config: WritingConfig | None) -> list[list[int]]:
        start, ends = self.vocabulary.start_token, self._ends
        if isinstance(self._body, ForeignModel):
            return write_foreign(self._body, sources, config or WritingConfig(), start_token=start, ends=ends)
        assert isinstance(self._body, EncoderDecoder), "only an encoder-decoder reads a source"
        return SequenceWriter(self._body, start_token=start, end_tokens=ends).write(sources, config)

    def answer(
        self, conversations: Sequence[Sequence[dict[str, Any]]], *, max_tokens: int = LONGEST_ANSWER
    ) -> list[str]:
        """What the model says next in each conversation, always the likeliest token."""
        template, tokenizer = self.vocabulary.template, self.vocabulary.tokenizer
        placeholders = [self.vocabulary.end_token] * self._encoder.num_placeholders
        prompts = [[*placeholders, *prompt_ids(messages, tokenizer, template)] for messages in conversations]
        written = self._continue(prompts, max_tokens)
        return [tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in written]

    def _continue(self, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[list[int]]:
        written: list[list[int]] = [[] for _ in prompts]
        greedy = SamplingConfig(max_tokens=max_tokens, temperature=0.0)
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        for start in range(0, len(order), PROMPTS_AT_ONCE):
            numbers = order[start : start + PROMPTS_AT_ONCE]
            for place, token in self._continued([prompts[number] for number in numbers], greedy):
                written[numbers[place]].append(token)
        return written

    def _continued(self, prompts: list[Sequence[int]], config: SamplingConfig) -> Iterator[Written]:
        seeds, ends, most = [0] * len(prompts), self._ends, self._facts.max_positions
        if isinstance(self._body, ForeignModel):
            return continue_foreign(self._body, prompts, config, seeds=seeds, ends=ends, max_positions=most)
        assert isinstance(self._body, Decoder), "only a decoder continues a text"
        return continue_prompts(self._body, prompts, config, seeds=seeds, ends=ends, max_positions=most)

    @property
    def _ends(self) -> frozenset[int]:
        return frozenset({self.vocabulary.end_token, *self._facts.end_tokens})

    def _parts(self, encoded: EncodedExamples) -> Iterator[ExamplePart]:
        attention = self._body.config.attention_tokens(self._body.vocabulary_size)
        sizes = Sizes(BATCH_EXAMPLES, PART_TOKENS, attention, self.vocabulary.end_token)
        stream = ExampleStream(encoded, sizes, seed=None)
        for number in range(stream.num_batches):
            yield from stream.batch(number).parts


def vocabulary_of(folder: Path, facts: Facts) -> ModelVocabulary:
    """The vocabulary in a model's folder, as the model uses it."""
    tokenizer = read_vocabulary(folder / "tokenizer.json")
    end = end_of_texts(tokenizer, facts, folder)
    start = end if facts.start_token is None else facts.start_token
    return vocabulary_used(tokenizer, folder, end_token=end, start_token=start)


def _objective_of(folder: Path, foreign: dict[str, Any]) -> ExampleObjectiveConfig:
    ours = foreign.get(OURS) or {}
    given = ours.get("objective")
    if given is None and (name := next(iter(foreign.get("architectures") or [""]))).endswith("Classification"):
        given = {"name": "tag" if "Token" in name else "classify"}
    try:
        found = TypeAdapter[Any](ObjectiveConfig).validate_python(given)
    except ValidationError as error:
        raise InputError(
            f"{folder / CONFIG}: a model of no task that headrace knows; give one that a stage trained on examples."
        ) from error
    if not isinstance(found, ExampleFields):
        raise InputError(f"{folder / CONFIG}: a model of {found.name}, wanted one that learnt from examples.")
    return found  # type: ignore[return-value]  # all records with these fields are of the union


@dataclass(frozen=True)
class _Loaded:
    """A model, and what is beneath its head."""

    model: nn.Module
    body: Transformer | Foreign
    facts: Facts
    task: Task | None = None
    labels: tuple[str, ...] = ()


def _load(folder: Path) -> _Loaded:
    _, named = read_weights(folder)
    if any(name.startswith(HEADS) for name in named):
        found = load_task_model(folder)
        return _Loaded(found.model, found.model.body, found.facts, found.task, found.labels)
    model, facts = load_model(folder)
    return _Loaded(model, model, facts)


def _load_foreign(folder: Path) -> _Loaded:
    facts = foreign_facts(folder)
    if has_head(folder):
        headed, task, labels = load_foreign_task(folder)
        return _Loaded(headed, headed, facts, task, labels)
    model = load_foreign(folder)
    return _Loaded(model, model, facts)


def _attach(folder: Path, described: dict[str, Any], loaded: _Loaded) -> int:
    """Puts in an adapter that is not part of the weights; returns the placeholders that it needs."""
    given = (described.get(OURS) or {}).get("adapter")
    if given is None:
        return 0
    from headrace.models.adapters.peft_files import load_peft

    body, heads = loaded.body, dict[str, Any]()
    assert isinstance(body, Decoder | Encoder | EncoderDecoder), "there are three shapes"
    if isinstance(loaded.model, Headed):
        assert loaded.task is not None, "a head has a task"
        heads[head_name(family_for(body.config), loaded.task)] = loaded.model.score
    load_peft(body, folder / ADAPTER, heads=heads)
    return AdapterConfig.model_validate(given).num_placeholders


def _split(tokens: NDArray[np.int32], bounds: NDArray[np.int64]) -> list[list[int]]:
    return [part.tolist() for part in np.split(tokens, bounds[1:-1])]
