"""Labelled examples: from files of others to tables, splits and sequences of ids.

In: JSON, CSV, Parquet or columns of words, whose columns say what kind of examples they are. Out: an artefact with a
table per split (`build_examples`, `ExampleSet`), and for a vocabulary and an objective the sequences that a model reads
and what it must say (`EncodedExamples`, one function per task).
Promises: equal inputs never lie in two splits; what is cut off is counted; text of users never becomes a special token.
No torch here.
"""

from headrace.examples.config import ExamplesConfig
from headrace.examples.kinds import Kind

__all__ = ["ExamplesConfig", "Kind"]
