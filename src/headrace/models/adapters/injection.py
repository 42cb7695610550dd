"""An adapter put into a model."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from headrace.errors import UserError
from headrace.models.adapters.attached import Adapters, Attached, weights_of
from headrace.models.adapters.config import AdaloraSettings, AdapterConfig, Kind, LoraSettings
from headrace.models.adapters.layers import FIRST_SPREAD, Bottleneck, PrefixKeys, SoftPrompt
from headrace.models.adapters.library import need_peft
from headrace.models.adapters.places import places, stacks, take_apart
from headrace.models.adapters.ranks import Ranks
from headrace.models.build import Model

NAME = r"[A-Za-z0-9_-]+"
BESIDE: dict[Kind, set[Kind]] = {
    "lora": {"lora", "dora"},
    "dora": {"lora", "dora"},
    "adalora": {"adalora"},
    "ia3": {"ia3"},
    "bottleneck": {"bottleneck"},
}
"""Kinds whose layers can hold each other's weights; `prompt` and `prefix` change no layer and go with all."""


def adapt(
    model: Model,
    config: AdapterConfig,
    *,
    seed: int,
    num_steps: int,
    name: str = "default",
    heads: Mapping[str, nn.Module] | None = None,
    start_tokens: Sequence[int] = (),
) -> Adapters:
    """Freezes a model and puts a fresh adapter into it, which then is in use.

    num_steps: updates that the adapter will see; AdaLoRA plans by it. heads: layers outside the model that learn too.
    start_tokens: the ids of `prompt.start`. First weights depend on nothing but the arguments.
    Raises UserError without peft, or for a kind that this model cannot have.
    """
    model.requires_grad_(False)
    adapters = Adapters(model, heads)
    add_adapter(adapters, name, config, seed=seed, num_steps=num_steps, start_tokens=start_tokens)
    return adapters


def add_adapter(
    adapters: Adapters,
    name: str,
    config: AdapterConfig,
    *,
    seed: int,
    num_steps: int,
    layers: Sequence[str] | None = None,
    start_tokens: Sequence[int] = (),
) -> None:
    """Puts one more adapter beside those that a model has, and uses it.

    layers: those it goes to, where that is not for the config to say.
    """
    _check(adapters, name, config)
    targets = getattr(config.settings, "targets", None)
    chosen = tuple(layers if layers is not None else places(adapters.model, config.kind, targets) if targets else ())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ranks = _put_in(adapters.model, name, config, chosen, num_steps=num_steps, start_tokens=start_tokens)
    adapters.attached[name] = Attached(config, chosen, ranks)
    adapters.use(name)


def _check(adapters: Adapters, name: str, config: AdapterConfig) -> None:
    if not re.fullmatch(NAME, name) or name in adapters.attached:
        raise UserError(f"an adapter cannot be called {name!r}: letters, digits, _ and -, and each name once.")
    fits = BESIDE.get(config.kind)
    for other, attached in adapters.attached.items():
        if fits and attached.config.kind in BESIDE and attached.config.kind not in fits:
            raise UserError(f"adapter {name!r} is {config.kind}, {other!r} is {attached.config.kind}: not on one base.")
    if config.prefix is None:
        return
    settings = adapters.model.config
    if settings.shape == "encoder_decoder":
        raise UserError("prefix does not go with an encoder-decoder, as peft has it; take prompt or lora.")
    if settings.sliding_window is not None or settings.positions == "relative":
        raise UserError("prefix does not go with a sliding window or relative positions; take prompt or lora.")


def _put_in(
    model: Model,
    name: str,
    config: AdapterConfig,
    layers: tuple[str, ...],
    *,
    num_steps: int,
    start_tokens: Sequence[int],
) -> Ranks | None:
    if config.prompt is not None:
        _put_prompt(model, name, config.prompt.tokens, start_tokens)
    elif config.prefix is not None:
        _put_prefix(model, name, config.prefix.tokens)
    elif config.bottleneck is not None:
        for layer in layers:
            if not isinstance(model.get_submodule(layer), Bottleneck):
                base = model.get_submodule(layer)
                assert isinstance(base, nn.Linear), "a bottleneck stands behind a plain layer"
                model.set_submodule(layer, Bottleneck(base))
            bottleneck = model.get_submodule(layer)
            assert isinstance(bottleneck, Bottleneck)
            bottleneck.add(name, config.bottleneck.width)
    else:
        return _inject(model, name, config, layers, num_steps=num_steps)
    return None


def _put_prompt(model: Model, name: str, tokens: int, start_tokens: Sequence[int]) -> None:
    _, first = stacks(model)[0]
    if first.prompt is None:
        first.prompt = SoftPrompt()
    if start_tokens:
        ids = torch.tensor([start_tokens[index % len(start_tokens)] for index in range(tokens)])
    else:
        ids = torch.randint(model.vocabulary_size, (tokens,))
    assert isinstance(first.prompt, SoftPrompt)
    vectors = model.embedding.weight.detach()[ids].float().clone()
    first.prompt.prompt_embeddings[name] = nn.Parameter(vectors)


def _put_prefix(model: Model, name: str, tokens: int) -> None:
    config = model.config
    for block in model.typed_blocks:
        if block.attention.prefix is None:
            block.attention.prefix = PrefixKeys()
        prefix = block.attention.prefix
        assert isinstance(prefix, PrefixKeys)
        for learnt in (prefix.keys, prefix.values):
            learnt[name] = nn.Parameter(FIRST_SPREAD * torch.randn(config.kv_heads, tokens, config.head_width))


def _inject(model: Model, name: str, config: AdapterConfig, layers: tuple[str, ...], *, num_steps: int) -> Ranks | None:
    peft = need_peft()
    take_apart(model, list(layers))
    settings = peft_settings(config, layers, num_steps=num_steps)
    # Blocks alone: a whole model has a `config`, which peft would take for one of transformers'.
    holder = nn.Module()
    for prefix, stack in stacks(model):
        inside = nn.Module()
        inside.blocks = stack.blocks
        if prefix:
            holder.add_module(prefix.removesuffix("."), inside)
        else:
            holder.blocks = stack.blocks
    peft.inject_adapter_in_model(settings, holder, adapter_name=name)
    return Ranks(weights_of(model, name), settings) if config.adalora is not None else None


def peft_settings(config: AdapterConfig, layers: Sequence[str], *, num_steps: int, **more: Any) -> Any:
    """The config that peft has for an adapter of layers of these names."""
    peft = need_peft()
    settings = config.settings
    if isinstance(settings, AdaloraSettings):
        return peft.AdaLoraConfig(
            init_r=settings.first_rank,
            target_r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            total_step=num_steps,
            **adalora_plan(settings, num_steps),
            beta1=settings.sensitivity_beta,
            beta2=settings.uncertainty_beta,
            orth_reg_weight=settings.orthogonality,
            target_modules=list(layers),
            **more,
        )
    if isinstance(settings, LoraSettings):
        return peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            use_dora=config.dora is not None,
            target_modules=list(layers),
            **more,
        )
    inner = [layer for layer in layers if layer.endswith("feed_forward.down")]
    return peft.IA3Config(**{"target_modules": list(layers), "feedforward_modules": inner, **more})


def adalora_plan(settings: AdaloraSettings, num_steps: int) -> dict[str, int]:
    """When ranks are taken. Raises UserError if there are too few steps to take them in."""
    first, last = round(settings.warm_up * num_steps), round(settings.final * num_steps)
    if num_steps - last - first < 2:  # one to see what ranks are worth, one to take them
        raise UserError(f"adalora needs more than {num_steps} steps: ranks are taken between warm_up and final.")
    return {"tinit": first, "tfinal": last, "deltaT": settings.every_steps}
