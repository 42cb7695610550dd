"""Prompts continued side by side: each as if it were alone, in either precision, on either kind of positions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import rough_decoder, small_config

from headrace.models import ModelConfig
from headrace.models.decoder import Decoder
from headrace.models.packed import can_pack
from headrace.models.transformer import keep_for_reading
from headrace.serve import SamplingConfig
from headrace.serve.continuing import continue_prompts

VOCABULARY = 97
GREEDY = SamplingConfig(temperature=0.0, max_tokens=24)
CONFIGS = {
    "rotary": small_config(),
    "window": small_config(sliding_window=5, full_attention_blocks=1),
    "learned": small_config(positions="learned", max_positions=64, norm="layer", qkv_bias=True, gated=False),
    "relative": small_config(positions="relative", attention_scale=1.0, qk_norm=True, tied=False),
    "post": small_config(norm_place="post", norm="layer", embedding_norm=True, head_bias=True),
}
MODELS = {name: rough_decoder(config, vocabulary_size=VOCABULARY) for name, config in CONFIGS.items()}
PROMPTS = st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=20), min_size=2, max_size=5)


def continuations(
    model: Decoder,
    prompts: list[list[int]],
    config: SamplingConfig = GREEDY,
    *,
    seeds: list[int] | None = None,
    ends: tuple[int, ...] = (3, 5),
    max_positions: int = 64,
) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in prompts]
    seeds = seeds or list(range(len(prompts)))
    for number, token in continue_prompts(model, prompts, config, seeds=seeds, ends=ends, max_positions=max_positions):
        found[number].append(token)
    return found


def continue_slowly(model: Decoder, prompt: list[int], *, max_positions: int) -> list[int]:
    """One whole pass per token, without a cache; beyond the context, a window that is halved when it is full."""
    seen, found = list(prompt), []
    for _ in range(GREEDY.max_tokens):
        if len(seen) > max_positions:
            seen = seen[-(max_positions // 2) :]
        with torch.no_grad():
            token = int(model.logits(torch.tensor([seen]))[0, -1].argmax())
        if token in (3, 5):
            break
        seen.append(token)
        found.append(token)
    return found


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=10)
@given(prompts=PROMPTS, max_positions=st.sampled_from([12, 30, 64]))
def test_each_prompt_is_continued_as_whole_passes_continue_it_alone(
    name: str, prompts: list[list[int]], max_positions: int
) -> None:
    found = continuations(MODELS[name], prompts, max_positions=max_positions)

    assert found == [continue_slowly(MODELS[name], prompt, max_positions=max_positions) for prompt in prompts]


@settings(max_examples=20)
@given(prompts=PROMPTS, seed=st.integers(0, 10**6))
def test_what_a_row_draws_depends_on_no_neighbour(prompts: list[list[int]], seed: int) -> None:
    config = SamplingConfig(temperature=1.0, max_tokens=12)
    seeds = [seed + number for number in range(len(prompts))]

    found = continuations(MODELS["rotary"], prompts, config, seeds=seeds)

    for number, prompt in enumerate(prompts):
        assert found[number] == continuations(MODELS["rotary"], [prompt], config, seeds=[seeds[number]])[0]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_kept_for_reading_gives_the_logits_of_bf16_products(name: str) -> None:
    """As near to float32 as the rounding of its own weights and inner numbers allows."""
    model, exact = (smooth_decoder(CONFIGS[name]) for _ in range(2))
    keep_for_reading(model)
    token_BT = torch.randint(0, VOCABULARY, (3, 17), generator=torch.Generator().manual_seed(1))

    with torch.inference_mode():
        found, wanted = model.logits(token_BT).float(), exact.logits(token_BT)

    assert can_pack() == (model.packed_head is not None)
    assert float((found - wanted).norm() / wanted.norm()) < 0.02


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_kept_for_reading_continues_with_tokens_that_are_likeliest_to_rounding(name: str) -> None:
    model, exact = (smooth_decoder(CONFIGS[name]) for _ in range(2))
    keep_for_reading(model)
    prompts = [[7, 8, 9], list(range(10, 21))]

    for prompt, found in zip(prompts, continuations(model, prompts, ends=()), strict=True):
        assert len(found) == GREEDY.max_tokens
        with torch.no_grad():
            logits_TV = exact.logits(torch.tensor([prompt + found]))[0, len(prompt) - 1 : -1]
        lost_T = logits_TV.max(dim=1).values - logits_TV.gather(1, torch.tensor(found)[:, None])[:, 0]
        assert float(lost_T.max()) < 0.1 * float(logits_TV.std())


def smooth_decoder(config: ModelConfig) -> Decoder:
    """One whose numbers grow as little from block to block as in a trained model."""
    model = rough_decoder(config, vocabulary_size=VOCABULARY)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(0.5)
    return model
