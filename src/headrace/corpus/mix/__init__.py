"""Balance: how many copies of each document go into training.

In: a ledger. Out: copies per document (0: not used, 2: used twice), and the table of every group before and after.
Promises: depends on nothing but the ledger's rows, the config and the seed; which documents are taken is decided by
their ids, so that adding documents changes the choice among the others only at its edge. A mixture that cannot be had
is an error that names the nearest one that can.

Importing the package loads what a recipe needs; `copies.choose_copies` does the work.
"""

from headrace.corpus.mix.config import Cap, MixConfig

__all__ = ["Cap", "MixConfig"]
