"""What a model is worth, on documents it has not seen.

In: a model folder and the held-out split of a token store. Out: bits per byte and perplexity overall, per source and
per language, a loss for every document, and samples.
Promises: every held-out byte counts once; bits per byte compare across vocabularies. Not promised: that a low number
reads well.

    config.py           what is measured (needs no torch)
    evaluation.py       all of it, for one model
    bits_per_byte.py    losses of documents and their sums
"""

from headrace.evaluate.config import EvaluateConfig

__all__ = ["EvaluateConfig"]
