"""A trained model that answers: text in, text out, token by token.

In: a model folder or a GGUF file. Out: continuations, streamed as they are made.
Promises: the same prompt, settings and seed give the same text on the same machine; a stream never cuts a character
in two.
"""

from headrace.serve.generator import TextGenerator
from headrace.serve.sampling import SamplingConfig

__all__ = ["SamplingConfig", "TextGenerator"]
