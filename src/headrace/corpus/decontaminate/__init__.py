"""Decontamination: what the corpus has in common with evaluation sets.

In: evaluation items, and batches of documents with their rows in the ledger. Out: the documents that hold an item, or
the passages to cut from them, and a table that says which sets were found where.
Promises: an evaluation set in which nothing can be looked for is an error, never a clean result; hits do not depend on
how documents are batched.

    read_items -> build_index -> find_hits (each unit) -> judge

Importing the package loads what a recipe needs; the kernels come with `index`, `hits` and `judge`.
"""

from headrace.corpus.decontaminate.config import DecontaminateConfig, EvaluationSet

__all__ = ["DecontaminateConfig", "EvaluationSet"]
