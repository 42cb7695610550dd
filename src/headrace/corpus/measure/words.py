"""Text as words.

Chinese: jieba's words (`chinese_words.py`), white space left out. Everything else: one regular expression. A word is
a run of letters, digits and underscores, with single apostrophes, full stops and commas inside ("don't", "os.path" and
"3.5" are one word, "well-known" is three); every punctuation character is a word of its own, but runs of full stops or
hyphens are one; a character of a script that is written without spaces (kana, Han, Thai, Lao, Burmese, Khmer) is a word
of its own. datatrove's spaCy words differ in detail ("do" + "n't").
"""

from collections.abc import Iterator
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from headrace.corpus.texts import Offsets, Texts

CHINESE = "zh"


def split_words(text: str, language: str) -> list[str]:
    """The words of a text, punctuation included, none of them blank, in order."""
    if language == CHINESE:
        return [word for word in _split_chinese(text) if not word.isspace()]
    from headrace.corpus.measure.word_patterns import ANY_WORD, NEEDS_ANY_WORD, SPACED_WORD  # 0.1 s, and only for this

    is_spaced = text.isascii() or not NEEDS_ANY_WORD.search(text)
    return (SPACED_WORD if is_spaced else ANY_WORD).findall(text)


def _split_chinese(text: str) -> Iterator[str]:
    from headrace.corpus.measure.chinese_words import cut_text, make_segmenter  # here for the reason given below

    data, lengths = np.frombuffer(text.encode(), np.uint8), np.empty(len(text), np.int64)
    total = cut_text(data, make_segmenter(len(text)), lengths, 0)
    ends = accumulate(lengths[:total].tolist(), initial=0)
    return (text[begin:end] for begin, end in pairwise(ends))


def segment_chinese(texts: Texts, rows: npt.NDArray[np.intp]) -> tuple[Offsets, Offsets]:
    """The lengths in characters of jieba's words, white space among them, of some of the texts.

    Returns (N + 1) places in the second array where each text's lengths begin; texts that are not asked have none.
    """
    # here because jieba's dictionary takes a second when it is first used, and many corpora hold no Chinese
    from headrace.corpus.measure.chinese_words import cut_texts, make_segmenter

    sizes = texts.sizes[rows]
    numbers, lengths = np.zeros(len(texts), np.int64), np.empty(int(sizes.sum()), np.int64)
    segmenter = make_segmenter(int(sizes.max(initial=0)))
    total = cut_texts(texts.data, texts.offsets, rows, segmenter, numbers, lengths)
    return np.concatenate(([0], np.cumsum(numbers))), lengths[:total]
