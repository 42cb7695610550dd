"""The tables of this floor: which columns, of which type. Light to import; `rules.py` checks conditions against it."""

from typing import Literal

from headrace.corpus.redact.config import KINDS

Kind = Literal["string", "int64", "int32", "float64", "bool", "strings"]
Columns = dict[str, Kind]

DOCUMENTS: Columns = {"id": "string", "text": "string", "source": "string", "language": "string", "metadata": "string"}

IDENTITY: Columns = {
    "id": "string",
    "raw_id": "string",
    "source": "string",
    "file": "string",
    "offset": "int64",
    "size_bytes": "int64",
    "language": "string",
    "language_score": "float64",
    "content_hash": "string",
}
"""Who a document is. `raw_id` is the `id` that its record has in the raw input, "" if it has none."""

CHARACTERS: Columns = {
    "num_characters": "int64",
    "num_bytes": "int64",
    "digit_ratio": "float64",
    "whitespace_ratio": "float64",
    "uppercase_ratio": "float64",
    "alphanumeric_ratio": "float64",
    "special_character_ratio": "float64",
    "han_ratio": "float64",
    "compression_ratio": "float64",
}
"""Shares of all characters. `compression_ratio`: bytes of the text's beginning, compressed by LZ4, by bytes before."""

WORDS: Columns = {
    "num_words": "int64",
    "mean_word_length": "float64",
    "median_word_length": "float64",
    "max_word_length": "int64",
    "alpha_word_ratio": "float64",
    "hash_ratio": "float64",
    "ellipsis_ratio": "float64",
    "num_stop_words": "int64",
    "stop_word_ratio": "float64",
    "num_sentences": "int64",
}
"""`num_words` and lengths: of words that are not punctuation; ratios: by all words."""

LINES: Columns = {
    "num_lines": "int64",
    "mean_line_length": "float64",
    "max_line_length": "int64",
    "bullet_line_ratio": "float64",
    "ellipsis_line_ratio": "float64",
    "terminal_line_ratio": "float64",
    "short_line_ratio": "float64",
    "dup_nonblank_line_char_ratio": "float64",
    "new_line_ratio": "float64",
}
"""The last four are FineWeb's: of lines that are not blank, those that end in terminal punctuation and those of at
most 30
characters; characters of repeated lines by all but line breaks; line breaks by words."""

REPETITION: Columns = {
    "dup_line_ratio": "float64",
    "dup_line_char_ratio": "float64",
    "dup_paragraph_ratio": "float64",
    "dup_paragraph_char_ratio": "float64",
    **{f"top_{n}gram_char_ratio": "float64" for n in (2, 3, 4)},
    **{f"dup_{n}gram_char_ratio": "float64" for n in (5, 6, 7, 8, 9, 10)},
    "repeated_5gram_ratio": "float64",
    "repeated_10gram_ratio": "float64",
    "character_repetition_ratio": "float64",
    "dup_13_characters_ratio": "float64",
}
"""Gopher's; then shares of word n-grams that occur more than once, and of character n-grams: BigScience's measure on
10 (Chinese: 3) characters, and (Chinese only, elsewhere 0) 13 characters that occurred before."""

PHRASES: Columns = {
    "num_lorem_ipsum": "int64",
    "num_javascript": "int64",
    "num_policy_phrases": "int64",
    "num_curly_brackets": "int64",
}

C4: Columns = {
    "c4_num_lines": "int64",
    "c4_num_sentences": "int64",
    "c4_num_lorem_ipsum_lines": "int64",
    "c4_num_curly_bracket_lines": "int64",
}
"""What is left when C4's line rules have cut the text, the one on terminal punctuation among them."""

AFTER_C4: Columns = {
    "after_c4_num_lines": "int64",
    "after_c4_num_sentences": "int64",
    "after_c4_num_lorem_ipsum_lines": "int64",
    "after_c4_num_curly_bracket_lines": "int64",
    "after_c4_num_words": "int64",
    "after_c4_terminal_line_ratio": "float64",
    "after_c4_short_line_ratio": "float64",
    "after_c4_dup_nonblank_line_char_ratio": "float64",
    "after_c4_new_line_ratio": "float64",
}
"""What is left when C4's line rules but the one on terminal punctuation have cut the text, and FineWeb's scores of
it."""

REFINEDWEB: Columns = {"line_rule_word_ratio": "float64"}
"""Share of words (between white space) that RefinedWeb's line rules cut."""

TEXT_SCORES: Columns = {
    **CHARACTERS,
    **WORDS,
    **LINES,
    **REPETITION,
    **PHRASES,
    **C4,
    **AFTER_C4,
    **REFINEDWEB,
}

LEARNED: Columns = {"quality_score": "float64", "perplexity": "float64"}
"""What models that were trained on the user's examples say; null where there are none."""

REDACTED: Columns = {f"redacted_{kind}": "int64" for kind in KINDS}
"""Personal data that was replaced, by kind; null where redaction was off."""

SCORES: Columns = {**IDENTITY, **TEXT_SCORES, **LEARNED, **REDACTED}

OPTIONAL = frozenset((*TEXT_SCORES, *LEARNED, *REDACTED, "similarity")) - {"num_bytes"}
"""Columns that are null where nothing asked for them to be measured."""

QUARANTINE: Columns = {
    "source": "string",
    "file": "string",
    "offset": "int64",
    "size_bytes": "int64",
    "reason": "string",
    "excerpt": "string",
}

VERDICT: Columns = {
    "kept": "bool",
    "split": "string",
    "reason": "string",
    "reasons": "strings",
    "duplicate_of": "string",
    "similarity": "float64",
    "cluster": "string",
    "cluster_size": "int64",
    "num_contaminated": "int64",
    "removed_bytes": "int64",
    "copies": "int32",
    "shard": "int32",
}
"""What became of a document. `duplicate_of` is the surviving twin, `similarity` theirs where it was computed (else
null), `cluster` the id of the one of those alike that stays ("" for a document like no other), `cluster_size` how many
they are, itself counted; `num_contaminated` the n-grams shared with
evaluation sets; `removed_bytes` what was cut out of the kept text; `copies` how often it stands in the corpus; `shard`
numbers the measured source's `documents-*.parquet` that holds its text."""

LEDGER: Columns = {**SCORES, **VERDICT}
"""One row per document seen."""
