"""The tables of this floor: which columns, of which type. Light to import; `rules.py` checks conditions against it."""

from typing import Literal

Kind = Literal["string", "int64", "int32", "float64", "bool", "strings"]
Columns = dict[str, Kind]

DOCUMENTS: Columns = {"id": "string", "text": "string", "source": "string", "language": "string", "metadata": "string"}

IDENTITY: Columns = {
    "id": "string",
    "source": "string",
    "file": "string",
    "offset": "int64",
    "size_bytes": "int64",
    "language": "string",
    "language_score": "float64",
    "content_hash": "string",
}

TEXT_SCORES: Columns = {
    "num_characters": "int64",
    "num_bytes": "int64",
    "num_lines": "int64",
    "num_words": "int64",
    "mean_word_length": "float64",
    "hash_ratio": "float64",
    "ellipsis_ratio": "float64",
    "bullet_line_ratio": "float64",
    "ellipsis_line_ratio": "float64",
    "alpha_word_ratio": "float64",
    "num_stop_words": "int64",
    "digit_ratio": "float64",
    "whitespace_ratio": "float64",
    "dup_line_ratio": "float64",
    "dup_line_char_ratio": "float64",
    "dup_paragraph_ratio": "float64",
    "dup_paragraph_char_ratio": "float64",
    **{f"top_{n}gram_char_ratio": "float64" for n in (2, 3, 4)},
    **{f"dup_{n}gram_char_ratio": "float64" for n in (5, 6, 7, 8, 9, 10)},
}

SCORES: Columns = {**IDENTITY, **TEXT_SCORES}

QUARANTINE: Columns = {
    "source": "string",
    "file": "string",
    "offset": "int64",
    "size_bytes": "int64",
    "reason": "string",
    "excerpt": "string",
}

LEDGER: Columns = {
    **SCORES,
    "kept": "bool",
    "split": "string",
    "reason": "string",
    "reasons": "strings",
    "duplicate_of": "string",
    "shard": "int32",
}
"""One row per document seen. `shard` numbers the measured source's `documents-*.parquet` that holds its text."""
