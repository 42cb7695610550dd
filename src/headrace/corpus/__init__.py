"""Raw text in, curated documents out, and a ledger that says why for every document that was seen.

In: files (plain text, Markdown, JSON lines, Parquet, HTML; gzip and zstd around them) and rules.
Out: Parquet shards of documents, split into training and validation, and one ledger row per document, kept or not.
Promises: one damaged record costs that record and is filed under file, byte offset and reason; a damaged file stops the
run; output bytes are the same for any number of worker processes and any number of kills; a rule is a threshold over
scores that are already measured, so changing one reads no text again.
Not promised: detection of flipped bits in files that carry no checksum (gzip always does, zstd and Parquet may).

    config.py, presets.py   what a user writes
    discover.py             which files belong to a source
    read/                   bytes -> records
    measure/                records -> documents and their scores
    rules.py, curate.py     scores -> kept or not, and why
    why.py                  the answer to "where did this document go?"
    workers.py              processes that may die
"""
