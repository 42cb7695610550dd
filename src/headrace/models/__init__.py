"""The network: one Transformer, described by a config, kept as a folder that transformers loads.

In: packed rows (token ids, positions that restart per document, document ids). Out: final hidden states, and logits
from the head.
Promises: no token attends across a document boundary; saved weights give the same logits in transformers (1e-4 in
fp32).
Not promised: equal bits between thread counts, devices or compiled and eager runs.

    config.py          sizes, presets, counts of parameters and operations (needs no torch)
    decoder.py         the blocks and the decoder made of them
    attention.py       causal attention inside documents
    hugging_face.py    folders in and out
"""

from headrace.models.config import ModelConfig

__all__ = ["ModelConfig"]
