"""Bytes on disk -> records: documents, or damaged records with the place and the reason.

In: units of work (files, byte ranges, row groups). Out: an iterator of records in file order.
Promises: a damaged record is reported with its byte offset in the decompressed stream and never takes another with it;
a damaged file raises InputError; memory is bounded by the size of one record, which is capped.
"""

from headrace.corpus.read.reader import read_part
from headrace.corpus.read.records import DamagedRecord, RawDocument, Record
from headrace.corpus.read.units import Part, Unit, plan_units

__all__ = ["DamagedRecord", "Part", "RawDocument", "Record", "Unit", "plan_units", "read_part"]
