"""Rules, and the sets of rules that have a name.

Reasons have datatrove's names where it has the rule. A preset says what is dropped; what it also cuts out of the
documents
that stay is in `PRESET_CUTS`.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from headrace.config import Config
from headrace.corpus.reasons import MEANINGS

Languages = Annotated[tuple[str, ...], Field(strict=False)]

Cut = Literal["c4", "c4_any_end", "refinedweb"]
"""C4's line rules with and without the one on terminal punctuation; RefinedWeb's line rules."""

CHINESE = ("zh",)
ENGLISH = ("en",)


class Rule(Config):
    """What a document must satisfy to be kept."""

    rule: str = Field(min_length=1)
    """SQL condition over ledger columns that is true for documents to keep, such as "num_words >= 20"."""

    name: str = ""
    """Reason under which dropped documents are filed; the condition itself if not given."""

    languages: Languages = ()
    """ISO 639 codes of the languages it applies to; empty: all."""

    except_languages: Languages = ()
    """ISO 639 codes of the languages it does not apply to."""

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> "Rule":
        if self.languages and self.except_languages:
            raise ValueError("give `languages` or `except_languages`, not both")
        return self

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in MEANINGS:
            raise ValueError(f'"{name}" is the reason of documents that go for something else; choose another name')
        return name

    @property
    def reason(self) -> str:
        return self.name or self.rule

    def applies_to(self, language: str) -> bool:
        return language in self.languages if self.languages else language not in self.except_languages

    def overlaps(self, other: "Rule") -> bool:
        """Whether both apply to documents of some language."""
        if self.languages:
            return any(map(other.applies_to, self.languages))
        return not other.languages or any(map(self.applies_to, other.languages))


def _rule(name: str, rule: str, *languages: str) -> Rule:
    return Rule(name=name, rule=rule, languages=languages)


def _by_language(name: str, rule: str, **others: str | None) -> tuple[Rule, ...]:
    """One condition for each language that is named (None: no rule), and one for all others."""
    own = (_rule(name, other, language) for language, other in others.items() if other)
    return (Rule(name=name, rule=rule, except_languages=tuple(others)), *own)


def _gopher_quality(**thresholds: dict[str, float]) -> tuple[Rule, ...]:
    """Gopher's rules on words, with FineWeb2's thresholds for the languages that it has some for.

    thresholds: language -> shortest and longest mean word, least share of words with a letter.
    """

    def _each(name: str, condition: str, key: str, default: float) -> tuple[Rule, ...]:
        own = {language: f"{condition} {values[key]:g}" for language, values in thresholds.items()}
        return _by_language(name, f"{condition} {default:g}", **own)

    return (
        _rule("gopher_short_doc", "num_words >= 50"),
        _rule("gopher_long_doc", "num_words <= 100000"),
        *_each("gopher_below_avg_threshold", "mean_word_length >=", "shortest", 3),
        *_each("gopher_above_avg_threshold", "mean_word_length <=", "longest", 10),
        _rule("gopher_too_many_hashes", "hash_ratio <= 0.1"),
        _rule("gopher_too_many_ellipsis", "ellipsis_ratio <= 0.1"),
        _rule("gopher_too_many_bullets", "bullet_line_ratio <= 0.9"),
        _rule("gopher_too_many_end_ellipsis", "ellipsis_line_ratio <= 0.3"),
        *_each("gopher_below_alpha_threshold", "alpha_word_ratio >=", "alpha", 0.8),
        # only where there is a list of stop words: elsewhere the rule would drop everything
        _rule("gopher_enough_stop_words", "num_stop_words >= 2", *ENGLISH, *CHINESE),
    )


ZH_WORDS = {"shortest": 1, "longest": 5, "alpha": 0.735}
JA_WORDS = {"shortest": 1, "longest": 6, "alpha": 0.759}
TH_WORDS = {"shortest": 2, "longest": 10, "alpha": 0.9}

NGRAM_SCORES = (
    *((f"top_{n}_gram", f"top_{n}gram_char_ratio") for n in (2, 3, 4)),
    *((f"duplicated_{n}_n_grams", f"dup_{n}gram_char_ratio") for n in (5, 6, 7, 8, 9, 10)),
)
GOPHER_NGRAMS = (0.2, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.1)
ZH_NGRAMS = (0.256, 0.201, 0.171, 0.198, 0.182, 0.167, 0.154, 0.14, 0.127)
JA_NGRAMS = (0.239, 0.196, 0.172, 0.243, 0.225, 0.207, 0.19, 0.175, 0.159)
TH_NGRAMS = (0.221, 0.197, 0.162, 0.185, 0.170, 0.155, 0.141, 0.126, 0.111)
"""FineWeb2's, for 2 to 10 words. Between the ends that are known of the Thai ones, 5 and 10, in equal steps."""


def _ngrams(**thresholds: tuple[float, ...]) -> tuple[Rule, ...]:
    return tuple(
        rule
        for k, (name, score) in enumerate(NGRAM_SCORES)
        for rule in _by_language(
            name,
            f"{score} <= {GOPHER_NGRAMS[k]}",
            **{language: f"{score} <= {values[k]}" for language, values in thresholds.items()},
        )
    )


GOPHER_QUALITY = _gopher_quality(zh=ZH_WORDS)

GOPHER_REPETITION: tuple[Rule, ...] = (
    *_by_language("dup_para_frac", "dup_paragraph_ratio <= 0.3", zh=None),
    *_by_language("dup_para_char_frac", "dup_paragraph_char_ratio <= 0.2", zh=None),
    *_by_language("dup_line_frac", "dup_line_ratio <= 0.3", zh="dup_line_ratio <= 0.287"),
    *_by_language("dup_line_char_frac", "dup_line_char_ratio <= 0.2", zh=None),
    *_ngrams(zh=ZH_NGRAMS),
)
"""arXiv 2112.11446, Table A1, with datatrove's definitions; Chinese as in FineWeb2's `cmn_Hani.yml`."""

C4: tuple[Rule, ...] = (
    _rule("lorem_ipsum", "c4_num_lorem_ipsum_lines = 0"),
    _rule("curly_bracket", "c4_num_curly_bracket_lines = 0"),
    _rule("too_few_sentences", "c4_num_sentences >= 5"),
)
"""Raffel et al. 2020, JMLR 21(140), without its list of bad words."""

C4_ANY_END: tuple[Rule, ...] = (
    _rule("lorem_ipsum", "after_c4_num_lorem_ipsum_lines = 0"),
    _rule("curly_bracket", "after_c4_num_curly_bracket_lines = 0"),
    _rule("too_few_sentences", "after_c4_num_sentences >= 5"),
)
"""C4 as FineWeb has it: lines need no terminal punctuation."""

FINEWEB_OWN: tuple[Rule, ...] = (
    _rule("empty", "after_c4_num_words > 0"),
    _rule("line_punct_ratio", "after_c4_terminal_line_ratio >= 0.12"),
    _rule("short_line_ratio", "after_c4_short_line_ratio <= 0.67"),
    _rule("char_dup_ratio", "after_c4_dup_nonblank_line_char_ratio <= 0.01"),
    _rule("list_ratio", "after_c4_new_line_ratio <= 0.3"),
)
"""FineWeb's filters on the text that C4's line rules leave, which is what they see there. Source: arXiv 2406.17557."""

FINEWEB2: tuple[Rule, ...] = (
    *_by_language(
        "dup_line_frac",
        "dup_line_ratio <= 0.3",
        zh="dup_line_ratio <= 0.287",
        ja="dup_line_ratio <= 0.328",
        th="dup_line_ratio <= 0.349",
    ),
    *_ngrams(zh=ZH_NGRAMS, ja=JA_NGRAMS, th=TH_NGRAMS),
    *_by_language(
        "line_punct_ratio",
        "terminal_line_ratio >= 0.12",
        zh="terminal_line_ratio >= 0.106",
        ja="terminal_line_ratio >= 0.096",
        th=None,
    ),
    _rule("char_dup_ratio", "dup_nonblank_line_char_ratio <= 0.1"),
    *_by_language(
        "list_ratio",
        "new_line_ratio <= 0.3",
        zh="new_line_ratio <= 0.178",
        ja="new_line_ratio <= 0.13",
        th="new_line_ratio <= 0.153",
    ),
    *_gopher_quality(zh=ZH_WORDS, ja=JA_WORDS, th=TH_WORDS),
)
"""FineWeb2: no C4, no rules on paragraphs, short lines and characters of repeated lines; thresholds by language.

Those for Japanese and Thai belong to words of Sudachi and PyThaiNLP; here every character of kana, kanji or Thai is a
word,
so that mean word lengths come out lower and n-gram shares higher.
"""

DCLM: tuple[Rule, ...] = (
    *GOPHER_QUALITY,
    *GOPHER_REPETITION,
    _rule("word_removal_ratio", "line_rule_word_ratio <= 0.05"),
)
"""RefinedWeb's heuristics as DCLM has them (arXiv 2406.11794), without its URL lists. It counts stop words each
time."""

CHINESE_WEB: tuple[Rule, ...] = (
    _rule("too_short", "num_characters >= 200", *CHINESE),
    _rule("short_lines", "mean_line_length >= 10", *CHINESE),
    _rule("few_chinese_characters", "han_ratio >= 0.3", *CHINESE),
    _rule("repeated_13_characters", "dup_13_characters_ratio <= 0.5", *CHINESE),
    _rule("special_characters", "special_character_ratio <= 0.3", *CHINESE),
    _rule("character_repetition", "character_repetition_ratio <= 0.2", *CHINESE),
    _rule("word_repetition", "repeated_5gram_ratio <= 0.96", *CHINESE),
)
"""What needs no model of EvalWeb (ChineseWebText), C4-zh and BigScience: Chinese documents only."""

BIGSCIENCE: tuple[Rule, ...] = (
    _rule("number_words", "num_words BETWEEN 1 AND 1000000", *ENGLISH, *CHINESE),
    _rule("character_repetition", "character_repetition_ratio <= 0.106", *ENGLISH),
    _rule("character_repetition", "character_repetition_ratio <= 0.2", *CHINESE),
    _rule("word_repetition", "repeated_5gram_ratio <= 0.19", *ENGLISH),
    _rule("word_repetition", "repeated_5gram_ratio <= 0.96", *CHINESE),
    _rule("special_characters", "special_character_ratio <= 0.4", *ENGLISH),
    _rule("special_characters", "special_character_ratio <= 0.3", *CHINESE),
    _rule("stop_words", "stop_word_ratio >= 0.3", *ENGLISH),
    _rule("stop_words", "stop_word_ratio >= 0.1691", *CHINESE),
    _rule("language_identification", "language_score >= 0.8", *ENGLISH),
    _rule("language_identification", "language_score >= 0.85", *CHINESE),
)
"""ROOTS' `parameters_filtering`, without flagged words and perplexity. Its words are SentencePiece's and lower-case."""

DATA_JUICER: tuple[Rule, ...] = (
    _rule("alphanumeric_filter", "alphanumeric_ratio BETWEEN 0.7508 AND 0.8591"),
    _rule("average_line_length_filter", "mean_line_length <= 1500"),
    _rule("character_repetition_filter", "character_repetition_ratio <= 0.3", *ENGLISH),
    _rule("language_id_score_filter", "language_score >= 0.793"),
    _rule("maximum_line_length_filter", "max_line_length <= 5000"),
    _rule("special_characters_filter", "special_character_ratio BETWEEN 0.15 AND 0.35"),
    _rule("text_length_filter", "num_characters <= 58187"),
    _rule("words_num_filter", "num_words BETWEEN 20 AND 11529"),
    _rule("word_repetition_filter", "repeated_10gram_ratio <= 0.2962"),
)
"""Data-Juicer's recipe for refining English of Common Crawl, without flagged words and perplexity."""

PRESETS: dict[str, tuple[Rule, ...]] = {
    "gopher_quality": GOPHER_QUALITY,
    "gopher_repetition": GOPHER_REPETITION,
    "gopher": GOPHER_REPETITION + GOPHER_QUALITY,  # FineWeb's order
    "c4": C4,
    "fineweb_own": FINEWEB_OWN,
    "fineweb": GOPHER_REPETITION + GOPHER_QUALITY + C4_ANY_END + FINEWEB_OWN,
    "fineweb2": FINEWEB2,
    "dclm": DCLM,
    "chinese-web": CHINESE_WEB,
    "bigscience": BIGSCIENCE,
    "data-juicer": DATA_JUICER,
}
"""`fineweb` is FineWeb's whole chain of rules on text: Gopher, C4 without terminal punctuation, its own."""

PRESET_CUTS: dict[str, tuple[Cut, ...]] = {
    "c4": ("c4",),
    "fineweb_own": ("c4_any_end",),
    "fineweb": ("c4_any_end",),
    "dclm": ("refinedweb",),
}
"""What materialising must cut out of the documents that a preset keeps."""
