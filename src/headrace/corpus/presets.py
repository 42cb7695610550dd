"""Rules, and the sets of rules that have a name.

Sources: Gopher, arXiv 2112.11446, Table A1, with datatrove's definitions; Chinese thresholds from FineWeb2's
`cmn_Hani.yml` (its words are jieba's, as ours are), where duplicate paragraphs and duplicate line characters are off.
"""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from headrace.config import Config

Languages = Annotated[tuple[str, ...], Field(strict=False)]

CHINESE = ("zh",)

DUPLICATE = "duplicate"
"""The one reason that is no rule."""


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
        if name == DUPLICATE:
            raise ValueError(f'"{DUPLICATE}" is the reason of documents that deduplication drops; choose another name')
        return name

    @property
    def reason(self) -> str:
        return self.name or self.rule

    def applies_to(self, language: str) -> bool:
        return language in self.languages if self.languages else language not in self.except_languages


def _rule(name: str, rule: str) -> Rule:
    return Rule(name=name, rule=rule)


def _by_language(name: str, rule: str, *, chinese: str | None) -> tuple[Rule, ...]:
    """One threshold for Chinese (None: no rule) and one for everything else."""
    others = Rule(name=name, rule=rule, except_languages=CHINESE)
    return (others, Rule(name=name, rule=chinese, languages=CHINESE)) if chinese else (others,)


GOPHER_QUALITY: tuple[Rule, ...] = (
    _rule("gopher_short_doc", "num_words >= 50"),
    _rule("gopher_long_doc", "num_words <= 100000"),
    *_by_language("gopher_below_avg_threshold", "mean_word_length >= 3", chinese="mean_word_length >= 1"),
    *_by_language("gopher_above_avg_threshold", "mean_word_length <= 10", chinese="mean_word_length <= 5"),
    _rule("gopher_too_many_hashes", "hash_ratio <= 0.1"),
    _rule("gopher_too_many_ellipsis", "ellipsis_ratio <= 0.1"),
    _rule("gopher_too_many_bullets", "bullet_line_ratio <= 0.9"),
    _rule("gopher_too_many_end_ellipsis", "ellipsis_line_ratio <= 0.3"),
    *_by_language("gopher_below_alpha_threshold", "alpha_word_ratio >= 0.8", chinese="alpha_word_ratio >= 0.735"),
    # only where there is a list of stop words: elsewhere the rule would drop everything
    Rule(name="gopher_enough_stop_words", rule="num_stop_words >= 2", languages=("en", *CHINESE)),
)

GOPHER_REPETITION: tuple[Rule, ...] = (
    *_by_language("dup_para_frac", "dup_paragraph_ratio <= 0.3", chinese=None),
    *_by_language("dup_para_char_frac", "dup_paragraph_char_ratio <= 0.2", chinese=None),
    *_by_language("dup_line_frac", "dup_line_ratio <= 0.3", chinese="dup_line_ratio <= 0.287"),
    *_by_language("dup_line_char_frac", "dup_line_char_ratio <= 0.2", chinese=None),
    *_by_language("top_2_gram", "top_2gram_char_ratio <= 0.2", chinese="top_2gram_char_ratio <= 0.256"),
    *_by_language("top_3_gram", "top_3gram_char_ratio <= 0.18", chinese="top_3gram_char_ratio <= 0.201"),
    *_by_language("top_4_gram", "top_4gram_char_ratio <= 0.16", chinese="top_4gram_char_ratio <= 0.171"),
    *_by_language("duplicated_5_n_grams", "dup_5gram_char_ratio <= 0.15", chinese="dup_5gram_char_ratio <= 0.198"),
    *_by_language("duplicated_6_n_grams", "dup_6gram_char_ratio <= 0.14", chinese="dup_6gram_char_ratio <= 0.182"),
    *_by_language("duplicated_7_n_grams", "dup_7gram_char_ratio <= 0.13", chinese="dup_7gram_char_ratio <= 0.167"),
    *_by_language("duplicated_8_n_grams", "dup_8gram_char_ratio <= 0.12", chinese="dup_8gram_char_ratio <= 0.154"),
    *_by_language("duplicated_9_n_grams", "dup_9gram_char_ratio <= 0.11", chinese="dup_9gram_char_ratio <= 0.14"),
    *_by_language("duplicated_10_n_grams", "dup_10gram_char_ratio <= 0.1", chinese="dup_10gram_char_ratio <= 0.127"),
)

PRESETS: dict[str, tuple[Rule, ...]] = {
    "gopher_quality": GOPHER_QUALITY,
    "gopher_repetition": GOPHER_REPETITION,
    "gopher": GOPHER_REPETITION + GOPHER_QUALITY,  # FineWeb's order
}
