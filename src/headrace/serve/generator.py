"""Continuations of a prompt, with the keys and values of what is already there kept in a cache."""

from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers.decoders import DecodeStream

from headrace.models.decoder import KeyValueCache
from headrace.models.hugging_face import load_decoder
from headrace.serve.sampling import SamplingConfig, draw
from headrace.tokens import load_vocabulary
from headrace.tokens.vocabulary import end_token


class TextGenerator:
    """A loaded model and its vocabulary. Not thread safe."""

    def __init__(self, folder: Path, *, max_positions: int) -> None:
        """Loads a model folder; `max_positions` is the longest context it was trained on, in tokens."""
        self._model = load_decoder(folder).eval()
        self._tokenizer = load_vocabulary(folder / "tokenizer.json")
        self._tokenizer.encode_special_tokens = True  # a prompt is text, whatever it looks like
        self._end = end_token(self._tokenizer)
        self._max_positions = max_positions

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
        history = [self._end, *self._tokenizer.encode(prompt, add_special_tokens=False).ids]
        pending, cache = self._begin(history)
        for _ in range(config.max_tokens):
            if cache.length + len(pending) > self._max_positions:
                pending, cache = self._begin(history)
            logits_BV = self._model.next_logits(torch.tensor([pending]), cache)
            token = draw(logits_BV[0], config, generator)
            if token == self._end:
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
