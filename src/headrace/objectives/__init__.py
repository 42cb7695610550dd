"""What is learnt: from a model and what it reads to a loss.

In: rows of tokens, or labelled examples. Out: the sum of the loss over valid targets, ready for `backward`.
Promises: full logits of a batch are never held, but of models that only transformers can build; an ignored target adds
nothing to loss or gradient. The sum is not divided by anything: the caller knows how many valid targets the whole
global step has.

    config.py             the settings of every objective (needs no torch)
    noise.py              what an objective on rows does to them (needs no torch)
    cross_entropy.py      the loss of tokens, a chunk at a time
    objective.py          what the loop asks of an objective
    reading.py guesses.py batches as models read them, and what models say of their targets
    rows.py               objectives on rows of tokens
"""
