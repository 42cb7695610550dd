"""`adapter_config.json`: our settings as peft writes them, and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.models.adapters.config import (
    AdaloraSettings,
    AdapterConfig,
    BottleneckSettings,
    DoraSettings,
    Ia3Settings,
    LoraSettings,
    PrefixSettings,
    PromptSettings,
)
from headrace.models.adapters.injection import peft_settings
from headrace.models.adapters.library import need_peft
from headrace.models.config import ModelConfig

Json = dict[str, Any]
OURS = "HEADRACE_BOTTLENECK"
"""`peft_type` of what only headrace reads; peft refuses it by name."""
TASKS = {"decoder": "CAUSAL_LM", "encoder": "FEATURE_EXTRACTION", "encoder_decoder": "SEQ_2_SEQ_LM"}
FREE = {
    *("auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "peft_version"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save"),
    *("fan_in_fan_out", "feedforward_modules", "init_lora_weights", "init_ia3_weights", "peft_type"),
    *("r", "lora_alpha", "lora_dropout", "use_dora", "init_r", "target_r", "tinit", "tfinal", "deltaT", "beta1"),
    *("beta2", "orth_reg_weight", "total_step", "num_virtual_tokens", "token_dim", "num_attention_heads", "num_layers"),
    *("num_transformer_submodules", "encoder_hidden_size", "prefix_projection", "init_weights", "tokenizer_kwargs"),
    *("prompt_tuning_init", "prompt_tuning_init_text", "tokenizer_name_or_path"),
}
"""Entries that we read, or that change nothing once the weights are there."""
PLAIN_STARTS = (True, False, "gaussian", "orthogonal")
"""Of `init_lora_weights`: those that leave the base as it was."""


class UnknownAdapterError(ValueError):
    """An adapter of peft with something that we do not have."""


def written(
    config: AdapterConfig,
    model: ModelConfig,
    *,
    names: Sequence[str],
    inner: Sequence[str],
    transposed: bool,
    task: str | None,
    num_steps: int,
) -> Json:
    """The entries for an adapter of layers that the twin calls `names`; `inner` are those that end a feed-forward."""
    task = task or TASKS[model.shape]
    if config.bottleneck is not None:
        return {"peft_type": OURS, "width": config.bottleneck.width, "target_modules": sorted(names)}
    if config.prompt is not None or config.prefix is not None:
        return _plain(_virtual(config, model, task))
    more: Json = {"task_type": task, "inference_mode": True, "fan_in_fan_out": transposed}
    if config.ia3 is not None:
        more["feedforward_modules"] = sorted(inner)
    return _plain(peft_settings(config, sorted(names), num_steps=num_steps, **more))


def _virtual(config: AdapterConfig, model: ModelConfig, task: str) -> Any:
    peft = need_peft()
    common = {"task_type": task, "inference_mode": True, "num_layers": model.depth, "num_transformer_submodules": 1}
    if config.prefix is not None:
        return peft.PrefixTuningConfig(
            num_virtual_tokens=config.prefix.tokens,
            token_dim=model.key_value_width,
            num_attention_heads=model.kv_heads,
            encoder_hidden_size=model.key_value_width,
            **common,
        )
    return peft.PromptTuningConfig(
        num_virtual_tokens=config.num_placeholders,
        token_dim=model.width,
        num_attention_heads=model.heads,
        **common,
    )


def _plain(settings: Any) -> Json:
    """What peft itself would write."""
    return {name: _json(value) for name, value in settings.to_dict().items()}


def _json(value: Any) -> Any:
    if isinstance(value, set):
        return sorted(value)
    return str(value.value) if hasattr(value, "value") else value


def read(entries: Mapping[str, Any]) -> AdapterConfig:
    """The settings of an adapter of peft, as far as they are ours. Targets are to be told from its tensors.

    Raises UnknownAdapterError for a kind or an option that we do not have, KeyError for what is missing.
    """
    kind = entries.get("peft_type")
    if kind == OURS:
        return AdapterConfig(bottleneck=BottleneckSettings(width=entries["width"]))
    if kind not in READERS:
        raise UnknownAdapterError(f"peft_type is {kind!r}, wanted one of {', '.join(READERS)}")
    _refuse_options(str(kind), entries)
    return READERS[kind](entries)


def _refuse_options(kind: str, entries: Mapping[str, Any]) -> None:
    peft = need_peft()
    made_with = {"total_step": 1_000} if kind == "ADALORA" else {}
    usual = _plain(peft.PEFT_TYPE_TO_CONFIG_MAPPING[kind](**made_with))
    free = FREE | ({"rank_pattern"} if kind == "ADALORA" else set())
    for name, value in entries.items():
        if name not in free and value and value != usual.get(name):
            raise UnknownAdapterError(f"{name} is {value!r}, which is not supported")
    start = entries.get("init_lora_weights", True)
    if start not in PLAIN_STARTS:
        raise UnknownAdapterError(f"init_lora_weights is {start!r}, which changes the base as well")


def _read_lora(entries: Mapping[str, Any]) -> AdapterConfig:
    given = {"rank": entries["r"], "alpha": entries["lora_alpha"], "dropout": float(entries.get("lora_dropout", 0.0))}
    if entries.get("use_dora"):
        return AdapterConfig(dora=DoraSettings(**given))
    return AdapterConfig(lora=LoraSettings(**given))


def _read_adalora(entries: Mapping[str, Any]) -> AdapterConfig:
    steps = entries["total_step"] or 1
    return AdapterConfig(
        adalora=AdaloraSettings(
            first_rank=entries["init_r"],
            rank=entries["target_r"],
            alpha=entries["lora_alpha"],
            dropout=float(entries.get("lora_dropout", 0.0)),
            warm_up=entries["tinit"] / steps,
            final=max(entries["tfinal"], 1) / steps,
            every_steps=entries["deltaT"],
            sensitivity_beta=entries["beta1"],
            uncertainty_beta=entries["beta2"],
            orthogonality=entries["orth_reg_weight"],
        )
    )


def _read_prompt(entries: Mapping[str, Any]) -> AdapterConfig:
    _need_one_stack(entries)
    return AdapterConfig(prompt=PromptSettings(tokens=entries["num_virtual_tokens"]))


def _read_prefix(entries: Mapping[str, Any]) -> AdapterConfig:
    _need_one_stack(entries)
    return AdapterConfig(prefix=PrefixSettings(tokens=entries["num_virtual_tokens"]))


def _need_one_stack(entries: Mapping[str, Any]) -> None:
    # peft makes as many vectors for the target of an encoder-decoder, and then does not use those of a prompt.
    if entries["peft_type"] == "PREFIX_TUNING" and entries.get("num_transformer_submodules") == 2:
        raise UnknownAdapterError("prefixes of an encoder-decoder are not supported")


def _read_ia3(_: Mapping[str, Any]) -> AdapterConfig:
    return AdapterConfig(ia3=Ia3Settings())


READERS = {
    "LORA": _read_lora,
    "ADALORA": _read_adalora,
    "IA3": _read_ia3,
    "PROMPT_TUNING": _read_prompt,
    "PREFIX_TUNING": _read_prefix,
}
