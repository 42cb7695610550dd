"""Texts written by models that transformers builds, with its own `generate`."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch

from headrace.models.foreign.folder import quiet
from headrace.models.foreign.model import ForeignModel
from headrace.serve.continuing import Written
from headrace.serve.sampling import SamplingConfig
from headrace.serve.writing import WritingConfig

ROWS_AT_ONCE = 32
Tokens = list[int]


@torch.inference_mode()
def continue_foreign(
    model: ForeignModel,
    prompts: Sequence[Sequence[int]],
    config: SamplingConfig,
    *,
    seeds: Sequence[int],
    ends: Collection[int],
    max_positions: int,
) -> Iterator[Written]:
    """Continues each prompt as `continue_prompts` does, but gives each text when it is finished.

    A prompt that leaves no room for what is to be written is read from a later place on. Prompts that are sampled are
    continued one by one, since each has a seed of its own.
    """
    sampled: dict[str, Any] = {"do_sample": False}
    if config.temperature > 0:
        top_k = config.top_k or 0  # which is transformers' word for all
        sampled = {"do_sample": True, "temperature": config.temperature, "top_k": top_k, "top_p": config.top_p}
    new_tokens = min(config.max_tokens, max(1, max_positions // 2))
    seen = [list(prompt)[-(max_positions - new_tokens) :] for prompt in prompts]
    at_once = 1 if config.temperature > 0 else ROWS_AT_ONCE
    for start in range(0, len(seen), at_once):
        token_BT, mask_BT = _padded(model, seen[start : start + at_once], before=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds[start])
            found = _generate(model, token_BT, mask_BT, ends=ends, max_new_tokens=new_tokens, **sampled)
        for number, tokens in enumerate(found[:, token_BT.shape[1] :].tolist(), start):
            for token in _until_end(tokens, ends):
                yield Written(number, token)


@torch.inference_mode()
def write_foreign(
    model: ForeignModel,
    sources: Sequence[Sequence[int]],
    config: WritingConfig,
    *,
    start_token: int,
    ends: Collection[int],
) -> list[Tokens]:
    """The target of each source, without start and end."""
    found: list[Tokens] = [[] for _ in sources]
    order = sorted(range(len(sources)), key=lambda number: len(sources[number]))
    for start in range(0, len(order), ROWS_AT_ONCE):
        numbers = order[start : start + ROWS_AT_ONCE]
        source_BS, mask_BS = _padded(model, [sources[number] for number in numbers], before=False)
        written = _generate(
            model,
            source_BS,
            mask_BS,
            ends=ends,
            max_new_tokens=config.max_tokens,
            num_beams=config.beams,
            length_penalty=config.length_penalty,
            decoder_start_token_id=start_token,
            do_sample=False,
        )
        for number, tokens in zip(numbers, written[:, 1:].tolist(), strict=True):
            found[number] = _until_end(tokens, ends)
    return found


def _padded(model: ForeignModel, rows: Sequence[Sequence[int]], *, before: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids, and 1 where there is one; padding before them, as what is continued has it, or behind them."""
    token_BT = torch.full((len(rows), max(map(len, rows))), model.padding_token)
    mask_BT = torch.zeros_like(token_BT)
    for number, row in enumerate(rows):
        here = slice(-len(row), None) if before else slice(len(row))
        token_BT[number, here], mask_BT[number, here] = torch.tensor(list(row)), 1
    return token_BT, mask_BT


def _generate(
    model: ForeignModel, token_BT: torch.Tensor, mask_BT: torch.Tensor, *, ends: Collection[int], **given: Any
) -> torch.Tensor:
    with quiet():
        return model.inner.generate(
            input_ids=token_BT,
            attention_mask=mask_BT,
            eos_token_id=sorted(ends),
            pad_token_id=model.padding_token,
            **given,
        )


def _until_end(tokens: Tokens, ends: Collection[int]) -> Tokens:
    stop = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
    return tokens[:stop]
