"""Texts written anew: repaired, in one Chinese script, or with small changes that make more of scarce data.

Repair and script take a batch and give a batch of as many texts. Augmentation takes one training document and gives
copies of it, each a pure function of (seed, document, number of the copy) and marked as a copy in its metadata; it
refuses validation documents. Not promised: that a copy means the same.
"""

from headrace.corpus.rewrite.config import AugmentConfig, Method, RewriteConfig

__all__ = ["AugmentConfig", "Method", "RewriteConfig"]
