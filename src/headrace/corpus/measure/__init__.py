"""Records -> documents with every score that a rule may ask for, in one pass over the text.

In: a source and its files. Out: `documents-*.parquet`, `scores-*.parquet` with one row per document each, in the same
order, and `quarantine-00000.parquet`.
Promises: the same bytes for any number of processes and kills; scores are never null or NaN (of nothing, a ratio is 0).
"""

from headrace.corpus.measure.source import MEASURE_VERSION, measure_source

__all__ = ["MEASURE_VERSION", "measure_source"]
