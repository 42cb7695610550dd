"""What others call our settings and weights: a file per family of models that transformers knows.

In: a foreign config and its tensors. Out: a `ModelConfig`, and for each of our parameters the foreign tensors it is
made of. And back. No file is opened here (`headrace.models.hugging_face`, `headrace.models.gguf` do that).
Promises: a setting that a family cannot express is refused by name, in either direction.
"""

from headrace.models.families.family import Facts, Family, UnsuitedError
from headrace.models.families.known import FAMILIES, family_for

__all__ = ["FAMILIES", "Facts", "Family", "UnsuitedError", "family_for"]
