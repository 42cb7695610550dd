"""The network: one Transformer, described by a config, kept as a folder that transformers loads.

In: packed rows (token ids, positions that restart per document, document ids). Out: final hidden states, and logits
from the head.
Promises: no token attends across a document boundary; weights that transformers has a family for give the same logits
there (1e-4 in fp32), in either direction.
Not promised: equal bits between thread counts, devices or compiled and eager runs.

    config.py fields.py counts.py rotary_scaling.py    settings, sizes, counts of parameters and operations (no torch)
    attention.py long_attention.py                     what a block is made of, as functions: attention,
    positions.py relative.py cache.py                  ... places, what is kept
    norms.py self_attention.py feed_forward.py         ... and as modules
    block.py embedding.py transformer.py               what all shapes are made of
    decoder.py encoder.py encoder_decoder.py build.py  the three shapes
    initial.py                                         first weights, learning rates across widths
    families/ foreign_weights.py unscaled.py           what others call our settings and weights
    foreign/                                           models that only transformers can build
    hugging_face.py gguf_files/ onnx_file.py           bytes in and out
    adapters/                                          few new weights instead of all the old ones, through peft
    opened.py convert.py                               whatever a user points at, and from one format to another
"""

from headrace.models.config import ModelConfig

__all__ = ["ModelConfig"]
