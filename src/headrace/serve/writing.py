"""Targets of an encoder-decoder: the likeliest token each time, or the best of several beams.

Shape letters: N sources, R rows (sources x beams), V vocabulary, X candidates.

Source of the beam search: transformers' `generate` with `early_stopping=False`, whose results it gives.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from headrace.config import Config
from headrace.models.cache import KeyValueCache
from headrace.models.encoder_decoder import EncoderDecoder
from headrace.serve.sampling import likeliest

ROWS_AT_ONCE = 32

Tokens = list[int]
Candidate = tuple[float, int, int]
"""Score, beam, token."""


class WritingConfig(Config):
    """How the target of a source is found."""

    max_tokens: PositiveInt = 128
    """Longest target, in tokens, its end included."""
    beams: int = Field(default=1, ge=1, le=64)
    """Unfinished targets that are followed side by side. 1: the likeliest token each time."""
    length_penalty: float = 1.0
    """A finished target counts with its log-likelihood / length ^ this: above 0 longer ones gain."""


class SequenceWriter:
    """Writes targets with a model. Not thread safe."""

    def __init__(self, model: EncoderDecoder, *, start_token: int, end_tokens: Collection[int]) -> None:
        self._model, self._start, self._ends = model.eval(), start_token, frozenset(end_tokens)

    @torch.inference_mode()
    def write(self, sources: Sequence[Sequence[int]], config: WritingConfig | None = None) -> list[Tokens]:
        """The target of each source, without start and end; what it is depends on no other source, up to rounding."""
        config = config or WritingConfig()
        found: list[Tokens] = [[] for _ in sources]
        order = sorted(range(len(sources)), key=lambda number: len(sources[number]))
        sources_at_once = max(1, ROWS_AT_ONCE // config.beams)
        for start in range(0, len(order), sources_at_once):
            numbers = order[start : start + sources_at_once]
            cache = self._begin([sources[number] for number in numbers], config)
            write = self._write_likeliest if config.beams == 1 else self._write_best
            for number, target in zip(numbers, write(cache, len(numbers), config), strict=True):
                found[number] = target
        return found

    def _begin(self, sources: list[Sequence[int]], config: WritingConfig) -> KeyValueCache:
        assert all(sources), "a source has a token at least"
        longest = max(map(len, sources))
        source_NS = torch.tensor([[*source, *[0] * (longest - len(source))] for source in sources])
        length_N = torch.tensor([len(source) for source in sources])
        padded = bool((length_N < longest).any())
        visible_NS = torch.arange(longest) < length_N[:, None] if padded else None
        return self._model.begin(source_NS, max_positions=config.max_tokens, visible_BS=visible_NS, copies=config.beams)

    def _write_likeliest(self, cache: KeyValueCache, num_sources: int, config: WritingConfig) -> list[Tokens]:
        targets: list[Tokens] = [[] for _ in range(num_sources)]
        rows, last = list(range(num_sources)), [self._start] * num_sources
        for _ in range(config.max_tokens):
            tokens = likeliest(self._model.next_logits(torch.tensor(last)[:, None], cache)).tolist()
            staying = [index for index, token in enumerate(tokens) if token not in self._ends]
            if not staying:
                break
            if len(staying) < len(rows):
                cache.choose_rows(staying)
            rows, last = [rows[index] for index in staying], [tokens[index] for index in staying]
            for row, token in zip(rows, last, strict=True):
                targets[row].append(token)
        return targets

    def _write_best(self, cache: KeyValueCache, num_sources: int, config: WritingConfig) -> list[Tokens]:
        searches = [_Search(config) for _ in range(num_sources)]
        active = searches
        for length in range(1, config.max_tokens + 1):
            last_R = torch.tensor([beam.tokens[-1] if beam.tokens else self._start for beam in _beams(active)])
            candidates = self._candidates(self._model.next_logits(last_R[:, None], cache), active, config)
            origins = [
                search.advance(found, ends=self._ends, length=length)
                for search, found in zip(active, candidates, strict=True)
            ]
            staying = [number for number, search in enumerate(active) if not search.is_over(length)]
            if not staying:
                break
            rows = [number * config.beams + origin for number in staying for origin in origins[number]]
            cache.choose_rows(rows, same_sources=len(staying) == len(active))
            active = [active[number] for number in staying]
        return [search.best() for search in searches]

    def _candidates(self, logits_RV: Tensor, active: list["_Search"], config: WritingConfig) -> list[list[Candidate]]:
        """The likeliest next tokens of each source, enough of them for every beam to go on even if some end."""
        so_far_R = torch.tensor([beam.score for beam in _beams(active)])
        scores_RV = torch.log_softmax(logits_RV.float(), dim=-1) + so_far_R[:, None]
        scores_NV = scores_RV.view(len(active), -1)  # of all beams of a source, side by side
        wanted = max(2, 1 + len(self._ends)) * config.beams
        score_NX, index_NX = scores_NV.topk(min(wanted, scores_NV.shape[1]))
        beam_NX, token_NX = index_NX // self._model.vocabulary_size, index_NX % self._model.vocabulary_size
        columns = (score_NX.tolist(), beam_NX.tolist(), token_NX.tolist())
        return [list(zip(*row, strict=True)) for row in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True)
class _Beam:
    score: float
    tokens: Tokens


@dataclass
class _Search:
    """The beams of one source."""

    config: WritingConfig
    running: list[_Beam] = field(init=False)
    finished: list[_Beam] = field(default_factory=list)

    def __post_init__(self) -> None:
        # All beams begin alike; the others are held back, so that their copies of the first step do not count.
        self.running = [_Beam(0.0 if beam == 0 else -1e9, []) for beam in range(self.config.beams)]

    def advance(self, candidates: list[Candidate], *, ends: Collection[int], length: int) -> list[int]:
        """Takes candidates, best first; returns the beams that those now running come from."""
        beams, origins = self.config.beams, []
        running: list[_Beam] = []
        for rank, (score, beam, token) in enumerate(candidates):
            before = self.running[beam].tokens
            if token in ends or length == self.config.max_tokens:
                if rank < beams:
                    tokens = before if token in ends else [*before, token]
                    self.finished.append(_Beam(score / length**self.config.length_penalty, tokens))
            elif len(running) < beams:
                running.append(_Beam(score, [*before, token]))
                origins.append(beam)
        self.finished = sorted(self.finished, key=lambda beam: -beam.score)[:beams]
        self.running = running
        return origins

    def is_over(self, length: int) -> bool:
        """Whether no running beam, were it to end now, would be better than the worst finished one."""
        if len(self.finished) < self.config.beams or not self.running:
            return not self.running
        return self.running[0].score / length**self.config.length_penalty <= self.finished[-1].score

    def best(self) -> Tokens:
        return self.finished[0].tokens


def _beams(searches: list[_Search]) -> Iterator[_Beam]:
    return (beam for search in searches for beam in search.running)
