"""Documents to batches: vocabulary, encoding, the token store, packing, and the stream of batches.

In: a curated corpus. Out: a Hugging Face `tokenizer.json`, Megatron-LM indexed datasets with a lineage row per
document, a packing plan, and batches that are a pure function of (seed, step).
Promises: ids equal those of Hugging Face `tokenizers`; every stored token is a target exactly once an epoch; nothing
in a batch depends on rank count, threads or restarts. No torch here: batches are NumPy arrays.
"""

from headrace.tokens.batch import IGNORED, Batch
from headrace.tokens.config import TokensConfig
from headrace.tokens.encode import ENCODE_VERSION, encode_corpus
from headrace.tokens.store import TokenStore
from headrace.tokens.stream import BatchStream
from headrace.tokens.vocabulary import VOCABULARY_VERSION, build_vocabulary, load_vocabulary

__all__ = [
    "ENCODE_VERSION",
    "IGNORED",
    "VOCABULARY_VERSION",
    "Batch",
    "BatchStream",
    "TokenStore",
    "TokensConfig",
    "build_vocabulary",
    "encode_corpus",
    "load_vocabulary",
]
