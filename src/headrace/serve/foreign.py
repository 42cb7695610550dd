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
    """Continues each prompt as `continue_prompts` does, but prompt by prompt, each text when it is finished.

    A prompt that leaves no room for what is to be written is read from a later place on.
    """
    sampled: dict[str, Any] = {"do_sample": False}
    if config.temperature > 0:
        top_k = config.top_k or 0  # which is transformers' word for all
        sampled = {"do_sample": True, "temperature": config.temperature, "top_k": top_k, "top_p": config.top_p}
    new_tokens = min(config.max_tokens, max(1, max_positions // 2))
    for number, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
        seen = torch.tensor([list(prompt)[-(max_positions - new_tokens) :]])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = _generate(model, seen, torch.ones_like(seen), ends=ends, max_new_tokens=new_tokens, **sampled)
        for token in _until_end(found[0, seen.shape[1] :].tolist(), ends):
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
        longest = len(sources[numbers[-1]])
        rows = [(list(sources[number]), longest - len(sources[number])) for number in numbers]
        written = _generate(
            model,
            torch.tensor([[*row, *[model.padding_token] * padding] for row, padding in rows]),
            torch.tensor([[1] * len(row) + [0] * padding for row, padding in rows]),
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
