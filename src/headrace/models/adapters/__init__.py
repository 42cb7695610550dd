"""Few new weights instead of all the old ones: a frozen model learns a task through an adapter.

In: a model of any shape, and an `AdapterConfig`. Out: the same model with an adapter inside, the weights that learn,
and a folder that `peft` loads onto the model's twin in transformers.
Promises: the base keeps its weights; documents of a packed row stay apart; first weights follow from the seed; what is
saved gives the same logits there (1e-4 in fp32), in either direction.
Not promised: that peft loads a `bottleneck`, which it has no word for, or an adapter of a model that transformers has
no family for.

    config.py                    settings of every kind of adapter (no torch)
    library.py                   peft, or a word on how to get it
    places.py                    layers that adapters go to, and what transformers calls them
    layers.py                    kinds that peft has no layer for, and joined layers taken apart
    injection.py  attached.py    an adapter put into a model; the adapters of one model
    ranks.py                     AdaLoRA: which ranks stay
    peft_files.py peft_config.py peft_tensors.py    bytes in and out
    merging.py                   the adapter made part of the base, and what that changed
"""

from headrace.models.adapters.config import AdapterConfig

__all__ = ["AdapterConfig"]
