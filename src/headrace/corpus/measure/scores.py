"""All scores of a batch of texts."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.corpus.columns import TEXT_SCORES
from headrace.corpus.kernel import compile_part
from headrace.corpus.measure import count as c
from headrace.corpus.measure import line_scores as ls
from headrace.corpus.measure.characters import (
    ALNUM_LANE,
    DIGIT_LANE,
    ELLIPSIS_LANE,
    HAN_LANE,
    HASH_LANE,
    NUM_LANES,
    SPACE_LANE,
    SPECIAL_LANE,
    UPPER_LANE,
)
from headrace.corpus.measure.ngrams import DUPLICATE_NGRAMS, NUM_NGRAM_COUNTS, TOP_NGRAMS
from headrace.corpus.measure.segment import FoundChunks, no_chunks, no_found_chunks
from headrace.corpus.measure.stop_words import LANGUAGES, lexicon
from headrace.corpus.measure.tools import make_tools
from headrace.corpus.measure.words import CHINESE, segment_chinese
from headrace.corpus.texts import Texts

Tokenization = Literal["unicode", "datatrove"]
Counts = npt.NDArray[np.int64]
Ratios = npt.NDArray[np.float64]
Scores = dict[str, np.ndarray]

COMPRESSED_BYTES = 1 << 16
FEWEST_COMPRESSED_BYTES = 256
"""A shorter text counts as one that cannot be compressed: the codec's fixed cost would be most of the result."""


def score_text(text: str, language: str) -> dict[str, float]:
    """Every score in `columns.TEXT_SCORES`, none of them null or NaN."""
    return {name: values[0].item() for name, values in score_texts(Texts.from_strings([text]), [language]).items()}


def score_texts(texts: Texts, languages: Sequence[str], *, words: Tokenization = "unicode") -> Scores:
    """Every column of `columns.TEXT_SCORES`, (N,) int64 or float64, never NaN; a text's scores are its own alone.

    languages: (N,) ISO 639 codes. words: "unicode" as `words.py` says, with jieba's for Chinese; "datatrove": the
    tokens
    of spaCy's English tokenizer, whatever the language. Raises RecipeError if spaCy is wanted and not there.
    """
    assert len(texts) == len(languages), "one language for each text"
    counts = _count(texts, languages, words)
    columns = {
        **_score_characters(counts, texts),
        **_score_words(counts),
        **_score_lines(counts),
        **_score_repetition(counts),
        **_score_c4(counts),
    }
    return {
        name: columns[name].astype(np.int64 if kind == "int64" else np.float64, copy=False)
        for name, kind in TEXT_SCORES.items()
    }


def compile_parts() -> None:
    """Compiles large parts of what counts, for the types that it calls them with: a process can, while another does
    the rest."""
    text, tools, counts = Texts.from_strings(["a"]).data, make_tools(1, no_chunks()), np.zeros(1, np.int64)
    compile_part(ls.count_newline_lines, text, tools, 1, True, counts, counts)
    compile_part(ls.count_c4, text, tools, 1, 1, counts)


def _count(texts: Texts, languages: Sequence[str], words: Tokenization) -> Counts:
    chunks, found, longest = no_chunks(), no_found_chunks(len(texts)), int(texts.sizes.max(initial=0))
    if words == "datatrove":
        from headrace.corpus.measure import spacy_words  # with kernels that few runs need

        chunks, found = spacy_words.find_chunks(texts)
    plan, tools = _plan(texts, languages, words, found), make_tools(longest, chunks)
    counts = np.zeros((len(texts), c.NUM_COUNTS), np.int64)
    while left := c.count_texts(texts.data, texts.offsets, plan, lexicon(), tools, counts):
        tools = tools._replace(chunks=spacy_words.add_missing())
        plan = plan._replace(rows=plan.rows[:left].copy())
    return counts


def _plan(texts: Texts, languages: Sequence[str], words: Tokenization, found: FoundChunks) -> c.Plan:
    """How the texts are cut into words, with all that this takes done but the cutting."""
    is_chinese = np.fromiter((language == CHINESE for language in languages), bool, len(languages))
    numbers = np.array([LANGUAGES.index(name) if name in LANGUAGES else -1 for name in languages], np.int8)
    ways = np.full(len(texts), c.CHUNKS if words == "datatrove" else c.UNICODE, np.int8)
    firsts, lengths = np.zeros(len(texts) + 1, np.int64), np.empty(0, np.int64)
    if words != "datatrove" and is_chinese.any():
        ways[is_chinese] = c.GIVEN
        firsts, lengths = segment_chinese(texts, np.flatnonzero(is_chinese))
    return c.Plan(np.arange(len(texts)), ways, numbers, is_chinese, firsts, lengths, found)


def _ratio(part: Counts, whole: Counts | int) -> Ratios:
    """part / whole, and 0 where there is no whole."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=np.asarray(whole) != 0)


def _score_characters(counts: Counts, texts: Texts) -> Scores:
    lanes, characters = counts[:, c.TEXT_FIRST :], counts[:, NUM_LANES]
    lorem, javascript, policy, curly = counts[:, NUM_LANES + 2 : NUM_LANES + 6].T
    return {
        "num_characters": characters,
        "num_bytes": texts.sizes,
        "digit_ratio": _ratio(lanes[:, DIGIT_LANE], characters),
        "whitespace_ratio": _ratio(lanes[:, SPACE_LANE], characters),
        "uppercase_ratio": _ratio(lanes[:, UPPER_LANE], characters),
        "alphanumeric_ratio": _ratio(lanes[:, ALNUM_LANE], characters),
        "special_character_ratio": _ratio(lanes[:, SPECIAL_LANE], characters),
        "han_ratio": _ratio(lanes[:, HAN_LANE], characters),
        "compression_ratio": _compress(texts),
        "num_lorem_ipsum": lorem,
        "num_javascript": javascript,
        "num_policy_phrases": policy,
        "num_curly_brackets": curly,
    }


def _compress(texts: Texts) -> Ratios:
    codec, data = pa.Codec("lz4_raw"), pa.py_buffer(texts.data)
    ratios = np.ones(len(texts))
    for row in np.flatnonzero(texts.sizes >= FEWEST_COMPRESSED_BYTES):
        begin = int(texts.offsets[row])
        size = min(int(texts.offsets[row + 1]) - begin, COMPRESSED_BYTES)
        ratios[row] = codec.compress(data.slice(begin, size)).size / size
    return ratios


def _score_words(counts: Counts) -> Scores:
    words, of_text = counts[:, c.WORD_FIRST :], counts[:, c.TEXT_FIRST :]
    num_words, plain = words[:, c.NUM_WORDS], words[:, c.PLAIN_WORDS]
    return {
        "num_words": plain,
        "mean_word_length": _ratio(words[:, c.PLAIN_CHARACTERS], plain),
        "median_word_length": words[:, c.TWICE_MEDIAN] / 2,
        "max_word_length": words[:, c.LONGEST_WORD],
        "alpha_word_ratio": _ratio(words[:, c.ALPHA_WORDS], num_words),
        "hash_ratio": _ratio(of_text[:, HASH_LANE], num_words),
        "ellipsis_ratio": _ratio(of_text[:, NUM_LANES + 1] + of_text[:, ELLIPSIS_LANE], num_words),
        "num_stop_words": words[:, c.STOP_WORDS_FOUND],
        "stop_word_ratio": _ratio(words[:, c.FUNCTION_WORDS_FOUND], num_words),
        "num_sentences": counts[:, c.LINE_FIRST + ls.SENTENCES],
    }


def _score_lines(counts: Counts) -> Scores:
    lines = counts[:, c.LINE_FIRST :]
    num_lines, characters = lines[:, ls.NUM_LINES], counts[:, NUM_LANES]
    fineweb = _score_fineweb(counts[:, c.FINEWEB_FIRST :])
    return {
        "num_lines": num_lines,
        "mean_line_length": _ratio(characters, num_lines),
        "max_line_length": lines[:, ls.LONGEST_LINE],
        "bullet_line_ratio": _ratio(lines[:, ls.BULLET_LINES], num_lines),
        "ellipsis_line_ratio": _ratio(lines[:, ls.ELLIPSIS_LINES], num_lines),
        "dup_line_ratio": _ratio(lines[:, ls.DUPLICATE_LINES], lines[:, ls.ELEMENTS]),
        "dup_line_char_ratio": _ratio(lines[:, ls.DUPLICATE_LINE_CHARACTERS], characters),
        "dup_paragraph_ratio": _ratio(lines[:, ls.DUPLICATE_PARAGRAPHS], lines[:, ls.PARAGRAPHS]),
        "dup_paragraph_char_ratio": _ratio(lines[:, ls.DUPLICATE_PARAGRAPH_CHARACTERS], characters),
        "line_rule_word_ratio": _ratio(lines[:, ls.REMOVED_WORDS], lines[:, ls.WHITE_WORDS]),
        **fineweb,
    }


def _score_fineweb(fineweb: Counts) -> Scores:
    lines = fineweb[:, ls.LINES]
    return {
        "terminal_line_ratio": _ratio(fineweb[:, ls.TERMINAL_LINES], lines),
        "short_line_ratio": _ratio(fineweb[:, ls.SHORT_LINES], lines),
        "dup_nonblank_line_char_ratio": _ratio(fineweb[:, ls.DUPLICATE_CHARACTERS], fineweb[:, ls.CHARACTERS]),
        "new_line_ratio": _ratio(fineweb[:, ls.NEWLINES], fineweb[:, ls.WORDS]),
    }


def _score_repetition(counts: Counts) -> Scores:
    ngrams, of_characters = counts[:, c.NGRAM_FIRST :], counts[:, c.CHARACTER_FIRST :]
    characters, num_words = counts[:, NUM_LANES], counts[:, c.WORD_FIRST + c.NUM_WORDS]
    top, duplicate = ngrams[:, : len(TOP_NGRAMS)].T, ngrams[:, len(TOP_NGRAMS) : NUM_NGRAM_COUNTS].T
    return {
        **{f"top_{n}gram_char_ratio": _ratio(sums, characters) for n, sums in zip(TOP_NGRAMS, top, strict=True)},
        **{f"dup_{n}gram_char_ratio": _ratio(duplicate[k], characters) for k, n in enumerate(DUPLICATE_NGRAMS)},
        "repeated_5gram_ratio": _ratio(duplicate[-2], np.maximum(num_words - 4, 0)),
        "repeated_10gram_ratio": _ratio(duplicate[-1], np.maximum(num_words - 9, 0)),
        "character_repetition_ratio": _ratio(of_characters[:, 5], of_characters[:, 3]),
        "dup_13_characters_ratio": _ratio(of_characters[:, 7], of_characters[:, 6]),
    }


def _score_c4(counts: Counts) -> Scores:
    names = ("num_lines", "num_sentences", "num_lorem_ipsum_lines", "num_curly_bracket_lines")
    after = counts[:, c.AFTER_C4_FIRST :]
    return {
        **{f"c4_{name}": counts[:, c.C4_FIRST + k] for k, name in enumerate(names)},
        **{f"after_c4_{name}": counts[:, c.C4_FIRST + ls.NUM_C4_COUNTS + k] for k, name in enumerate(names)},
        "after_c4_num_words": after[:, ls.WORDS],
        **{f"after_c4_{name}": values for name, values in _score_fineweb(after).items()},
    }
