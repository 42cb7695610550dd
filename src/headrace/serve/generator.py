"""Continuations of a prompt, with the keys and values of what is already there kept in a cache."""

from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers.decoders import DecodeStream

from headrace.errors import InputError
from headrace.models.decoder import Decoder, KeyValueCache
from headrace.models.opened import open_model
from headrace.serve.sampling import SamplingConfig, draw
from headrace.tokens.vocabulary import end_token


class TextGenerator:
    """A loaded model and its vocabulary. Not thread safe."""

    def __init__(self, path: Path, *, max_positions: int | None = None) -> None:
        """Loads a model folder or a GGUF file; `max_positions` is the longest context in tokens, if not what it says.

        Raises InputError for a model that does not continue text, or has no vocabulary.
        """
        opened = open_model(path)
        if not isinstance(opened.model, Decoder):
            raise InputError(f"{path}: a model of shape {opened.model.config.shape}, wanted one that continues text.")
        self._model = opened.model.eval()
        self._tokenizer = opened.need_tokenizer()
        self._tokenizer.encode_special_tokens = True  # a prompt is text, whatever it looks like
        self._ends = frozenset(opened.facts.end_tokens or (end_token(self._tokenizer, path),))
        self._begin_tokens = opened.begin_tokens
        self._max_positions = max_positions or opened.facts.max_positions

    def generate(self, prompt: str, config: SamplingConfig | None = None, *, seed: int = 0) -> str:
        """The whole continuation of a prompt, without the prompt."""
        return "".join(self.stream(prompt, config or SamplingConfig(), seed=seed))

    def stream(self, prompt: str, config: SamplingConfig, *, seed: int) -> Iterator[str]:
        """The continuation piece by piece; a piece is whole characters."""
        decoder = DecodeStream(skip_special_tokens=True)
        for token in self._tokens(prompt, config, seed):
            if piece := decoder.step(self._tokenizer, token):
                yield piece

    @torch.inference_mode()
    def _tokens(self, prompt: str, config: SamplingConfig, seed: int) -> Iterator[int]:
        generator = torch.Generator().manual_seed(seed)
        history = [*self._begin_tokens, *self._tokenizer.encode(prompt, add_special_tokens=False).ids]
        history = history or [min(self._ends)]  # nothing to begin with: as if a text had just ended
        pending, cache = self._begin(history)
        for _ in range(config.max_tokens):
            if cache.length + len(pending) > self._max_positions:
                pending, cache = self._begin(history)
            logits_BV = self._model.next_logits(torch.tensor([pending]), cache)
            token = draw(logits_BV[0], config, generator)
            if token in self._ends:
                return
            history.append(token)
            pending = [token]
            yield token

    def _begin(self, history: list[int]) -> tuple[list[int], KeyValueCache]:
        """The tokens to start from and an empty cache; a history that outgrew the context keeps its newer half."""
        if len(history) > self._max_positions:
            history = history[-(self._max_positions // 2) :]
        cache = KeyValueCache(self._model.config, batch=1, max_positions=self._max_positions, dtype=torch.float32)
        return history, cache
