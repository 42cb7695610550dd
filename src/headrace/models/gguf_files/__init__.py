"""GGUF, the one-file format of llama.cpp: read into our models and written from them.

In: a file of the Llama, Qwen 2, Qwen 3 or GPT-2 kind, in any type that the `gguf` package knows. Out: a model in
float32 and its tokenizer; or a file in float32, float16 or 8 bits.
"""

from headrace.models.gguf_files.reading import GGUFModel, read_model
from headrace.models.gguf_files.writing import GGUFType, write_model

__all__ = ["GGUFModel", "GGUFType", "read_model", "write_model"]
