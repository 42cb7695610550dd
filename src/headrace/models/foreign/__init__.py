"""Models that transformers can build and we have no modules for: they train as they are, in the same loop.

In: a folder of transformers with safetensors. Out: logits of packed rows, and after training the same kind of folder.
Promises: no code from a folder is run, no pickle read, nothing fetched; the loss of a packed row is that of its
documents one by one. Not promised: speed; such models take padded rows and are never compiled.

    config.py       what is known of one without opening its weights (needs no torch)
    unpacking.py    packed rows as padded rows of one document each
    model.py        the model in our loop, with its own head or with one that tells classes
    library.py      transformers, which only these models need
    folder.py       bytes in and out, and what is refused
"""

from headrace.models.foreign.config import AnyModelConfig, ForeignConfig

__all__ = ["AnyModelConfig", "ForeignConfig"]
