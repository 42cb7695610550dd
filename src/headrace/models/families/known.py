"""All families, and which of them a model is written as."""

from headrace.models.config import ModelConfig
from headrace.models.families.bert import Bert
from headrace.models.families.family import Family
from headrace.models.families.gpt2 import GPT2
from headrace.models.families.llama import Llama, Mistral
from headrace.models.families.native import Native
from headrace.models.families.qwen import Qwen2, Qwen3
from headrace.models.families.t5 import T5

FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (Llama(), Qwen3(), Qwen2(), Mistral(), GPT2(), Bert(), T5(), Native())
}
"""By `model_type`; of those that can express a config the first is written."""


def family_for(config: ModelConfig) -> Family:
    """The family that a model is written as: one of transformers' if one can express it, else our own."""
    return next(family for family in FAMILIES.values() if not family.misfits(config))
