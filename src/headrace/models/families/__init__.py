"""What others call our settings and weights: a file per family of models that transformers knows.

In: a foreign config and its tensors. Out: a `ModelConfig`, and for each of our parameters the foreign tensors it is
made of. And back. No file is opened here (`headrace.models.hugging_face`, `headrace.models.gguf` do that).
Promises: a setting that a family cannot express is refused by name, in either direction.
"""

from headrace.models.config import ModelConfig
from headrace.models.families.bert import Bert
from headrace.models.families.family import Facts, Family, UnsuitedError
from headrace.models.families.gpt2 import GPT2
from headrace.models.families.llama import Llama, Mistral
from headrace.models.families.native import Native
from headrace.models.families.qwen import Qwen2, Qwen3
from headrace.models.families.t5 import T5

__all__ = ["FAMILIES", "Facts", "Family", "UnsuitedError", "family_for"]

FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (Llama(), Qwen3(), Qwen2(), Mistral(), GPT2(), Bert(), T5(), Native())
}
"""By `model_type`; of those that can express a config the first is written."""


def family_for(config: ModelConfig) -> Family:
    """The family that a model is written as: one of transformers' if one can express it, else our own."""
    return next(family for family in FAMILIES.values() if not family.misfits(config))
