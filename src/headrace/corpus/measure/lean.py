"""Where `chinese_words.py` finds its decorator; every other kernel takes it from `headrace.corpus.kernel`."""

from headrace.corpus.kernel import lean_kernel as kernel

__all__ = ["kernel"]
