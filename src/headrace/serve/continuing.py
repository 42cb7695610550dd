"""Continuations of many prompts at once, token by token.

The rows of a batch end together: shorter ones begin behind padding that nobody sees. A row that has ended leaves the
batch, and what it kept of its prompt with it. Nothing a row gets depends on its neighbours, up to rounding.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from headrace.models.cache import KeyValueCache
from headrace.models.decoder import Decoder
from headrace.serve.sampling import SamplingConfig, draw

TOKENS_AT_ONCE = 4096  # of prompts; bounds the memory that their scores and inner layers take


class Written(NamedTuple):
    """A token, and which prompt it continues."""

    prompt: int
    token: int


@dataclass(slots=True)
class _Row:
    prompt: int
    context: list[int]
    """What the model sees: the prompt and its continuation, or the newer part of them."""
    generator: torch.Generator


@torch.inference_mode()
def continue_prompts(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    config: SamplingConfig,
    *,
    seeds: Sequence[int],
    ends: Collection[int],
    max_positions: int,
    is_last: Callable[[Written], bool] | None = None,
) -> Iterator[Written]:
    """Continues each prompt until one of the `ends`, which is not given, or a token that `is_last`, which is, or the
    longest length.

    A prompt that outgrows `max_positions` goes on from its newer half. seeds: one for each prompt. Tokens come step by
    step, those of a step in the order of the prompts.
    """
    assert all(prompts), "a prompt has a token to begin with"
    rows = [
        _Row(number, list(prompt), torch.Generator().manual_seed(seed))
        for number, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
    ]
    cache: KeyValueCache | None = None
    for left in range(config.max_tokens, 0, -1):
        if cache is not None and cache.length < cache.max_positions:
            logits_BV = model.next_logits(torch.tensor([row.context[-1:] for row in rows]), cache)
        else:
            cache, logits_BV = _begin(model, rows, num_new=left, max_positions=max_positions)
        staying = []
        for index, token in enumerate(draw(logits_BV, config, [row.generator for row in rows])):
            if token not in ends:
                written = Written(rows[index].prompt, token)
                rows[index].context.append(token)
                if is_last is None or not is_last(written):
                    staying.append(index)
                yield written
        if not staying:
            return
        if len(staying) < len(rows):
            rows = [rows[index] for index in staying]
            cache.choose_rows(staying)


def _begin(model: Decoder, rows: list[_Row], *, num_new: int, max_positions: int) -> tuple[KeyValueCache, Tensor]:
    """A cache that holds what the rows see, and the logits after it."""
    for row in rows:
        if len(row.context) > max_positions:
            row.context = row.context[-(max_positions // 2) :]
    longest = max(len(row.context) for row in rows)
    return read_prompts(model, [row.context for row in rows], max_positions=min(max_positions, longest + num_new))


def read_prompts(
    model: Decoder, prompts: Sequence[Sequence[int]], *, max_positions: int
) -> tuple[KeyValueCache, Tensor]:
    """A cache with room for `max_positions` that holds the prompts, and the logits (B, V) after each."""
    lengths = [len(prompt) for prompt in prompts]
    longest = max(lengths)
    token_BT = torch.tensor([[*[0] * (longest - len(prompt)), *prompt] for prompt in prompts])
    cache = KeyValueCache(
        model.config,
        batch=len(prompts),
        max_positions=max_positions,
        dtype=model.compute_dtype,
        first_B=None if min(lengths) == longest else longest - torch.tensor(lengths),
    )
    *early, last = token_BT.split(max(1, TOKENS_AT_ONCE // len(prompts)), dim=1)
    for part_BT in early:
        model.extend(part_BT, cache)
    return cache, model.next_logits(last, cache)
