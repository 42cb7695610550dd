"""Bytes on disk or in an object store -> records: documents, or damaged records with the place and the reason.

In: units of work (files, byte ranges, row groups). Out: records in file order, one by one or in batches.
Promises: a damaged record is reported with its byte offset in the decompressed stream and never takes another with it
(in CSV an unclosed quote does); a damaged file raises InputError; memory is bounded by the size of one record, which is
capped; the records of all units of a file together are those of the whole file.
"""

from headrace.corpus.read.batches import Batch
from headrace.corpus.read.part import Part
from headrace.corpus.read.reader import read_batches, read_part
from headrace.corpus.read.records import DamagedRecord, RawDocument, Record
from headrace.corpus.read.units import Unit, feed_units, plan_units

__all__ = [
    "Batch",
    "DamagedRecord",
    "Part",
    "RawDocument",
    "Record",
    "Unit",
    "feed_units",
    "plan_units",
    "read_batches",
    "read_part",
]
