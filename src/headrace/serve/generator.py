"""Continuations of texts by a model that has been loaded."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from tokenizers.decoders import DecodeStream
from torch import nn

from headrace.errors import InputError
from headrace.examples.chat_template import ChatTemplate, Message
from headrace.examples.instruct import prompt_ids
from headrace.models.decoder import Decoder
from headrace.models.foreign.model import ForeignModel
from headrace.models.machine import use_machine_well
from headrace.models.opened import OpenedModel, open_model
from headrace.models.packed import multiplies_bf16
from headrace.models.transformer import keep_for_reading
from headrace.serve.continuing import continue_prompts
from headrace.serve.foreign import continue_foreign
from headrace.serve.sampling import SamplingConfig
from headrace.tokens.vocabulary import end_token

PROMPTS_AT_ONCE = 16
Precision = Literal["auto", "fp32", "bf16"]
"""`bf16` reads half as many bytes for a token and rounds more; `auto` takes it where the processor multiplies in it."""


class TextGenerator:
    """A loaded model and its vocabulary. Not thread safe."""

    def __init__(self, path: Path, *, max_positions: int | None = None, precision: Precision = "fp32") -> None:
        """Loads a model folder or a GGUF file; `max_positions` is the longest context in tokens, if not what it says.

        Raises InputError for a model that does not continue text, or has no vocabulary.
        """
        opened = open_model(path)
        if opened.model.config.shape != "decoder":
            raise InputError(f"{path}: a model of shape {opened.model.config.shape}, wanted one that continues text.")
        use_machine_well()
        self._model = opened.model.eval()
        if precision == "bf16" or (precision == "auto" and multiplies_bf16()):
            _read_in_bf16(self._model)
        self._tokenizer = opened.need_tokenizer()
        self._tokenizer.encode_special_tokens = True  # a prompt is text, whatever it looks like
        self._ends = frozenset(opened.facts.end_tokens or (end_token(self._tokenizer, path),))
        self._begin_tokens = opened.begin_tokens
        self._max_positions = max_positions or opened.facts.max_positions
        self._names = special_names(opened)
        self._template = opened.chat_template

    def generate(self, prompt: str, config: SamplingConfig | None = None, *, seed: int = 0) -> str:
        """The whole continuation of a prompt, without the prompt."""
        return "".join(self.stream(prompt, config or SamplingConfig(), seed=seed))

    def generate_all(
        self, prompts: Sequence[str], config: SamplingConfig | None = None, *, seed: int = 0
    ) -> Iterator[str]:
        """The continuation of each prompt, in their order; each is what `generate` gives for it alone, up to rounding.

        Prompts are continued side by side, and all draw from the same seed.
        """
        for start in range(0, len(prompts), PROMPTS_AT_ONCE):
            part = [self._begin(prompt) for prompt in prompts[start : start + PROMPTS_AT_ONCE]]
            streams = [DecodeStream(skip_special_tokens=True) for _ in part]
            texts = ["" for _ in part]
            for number, token in self._continue(part, config or SamplingConfig(), seed):
                texts[number] += streams[number].step(self._tokenizer, token) or ""
            yield from texts

    @property
    def has_chat_template(self) -> bool:
        """Whether the model came with a way to write conversations."""
        return self._template is not None

    def answer(self, messages: Sequence[Message], config: SamplingConfig, *, seed: int) -> Iterator[str]:
        """The model's next message in a conversation, piece by piece, written as its chat template wants it.

        Raises InputError if the model has no template, or it refuses the conversation.
        """
        if self._template is None:
            raise InputError("the model has no chat template. Continue a text instead.")
        template = ChatTemplate(self._template, self._tokenizer, names=self._names)
        return self._pieces(prompt_ids(messages, self._tokenizer, template), config, seed)

    def stream(self, prompt: str, config: SamplingConfig, *, seed: int) -> Iterator[str]:
        """The continuation piece by piece; a piece is whole characters."""
        return self._pieces(self._begin(prompt), config, seed)

    def _pieces(self, prompt: list[int], config: SamplingConfig, seed: int) -> Iterator[str]:
        decoder = DecodeStream(skip_special_tokens=True)
        for _, token in self._continue([prompt], config, seed):
            if piece := decoder.step(self._tokenizer, token):
                yield piece

    def _begin(self, prompt: str) -> list[int]:
        tokens = [*self._begin_tokens, *self._tokenizer.encode(prompt, add_special_tokens=False).ids]
        return tokens or [min(self._ends)]  # nothing to begin with: as if a text had just ended

    def _continue(self, prompts: list[list[int]], config: SamplingConfig, seed: int) -> Iterator[tuple[int, int]]:
        seeds, ends, most = [seed] * len(prompts), self._ends, self._max_positions
        if isinstance(self._model, ForeignModel):
            return continue_foreign(self._model, prompts, config, seeds=seeds, ends=ends, max_positions=most)
        assert isinstance(self._model, Decoder), "no other model of ours continues text"
        return continue_prompts(self._model, prompts, config, seeds=seeds, ends=ends, max_positions=most)


def _read_in_bf16(model: nn.Module) -> None:
    if isinstance(model, Decoder):
        keep_for_reading(model)
    else:
        model.bfloat16()


def special_names(opened: OpenedModel) -> dict[str, str]:
    """What a chat template calls the tokens that begin and end texts."""
    ends = opened.facts.end_tokens
    begin = next(iter(opened.begin_tokens), opened.facts.begin_token)
    roles = {"bos_token": begin, "eos_token": ends[0] if ends else None}
    words = opened.need_tokenizer()
    return {role: words.id_to_token(token) or "" for role, token in roles.items() if token is not None}
