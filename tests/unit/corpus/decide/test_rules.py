"""Rules that are not evaluated before every run are evaluated here."""

from typing import Any

import polars as pl
import pytest

from headrace.corpus.config import CorpusConfig
from headrace.corpus.decide.rules import PRESET_CONDITIONS, check_rules, check_values, condition
from headrace.corpus.presets import Rule
from headrace.errors import RecipeError


@pytest.mark.parametrize("rule", sorted(PRESET_CONDITIONS))
def test_a_rule_of_a_preset_judges_every_document_by_its_own_scores(rule: str) -> None:
    check_values(rule, condition(rule))


@pytest.mark.parametrize(
    ("settings", "fault", "remedy"),
    [
        (
            {"deduplicate": {"method": "exact", "keep": {"best": "perplexity"}}},
            "corpus.deduplicate: keep: {best: perplexity}: nothing measures perplexity.",
            "Write the section corpus.quality.perplexity, or rank by another column.",
        ),
        (
            {"mix": {"by": "redacted_email"}},
            "corpus.mix.by: nothing measures redacted_email.",
            "Write the section corpus.redact, or group by another column.",
        ),
        (
            {
                "curate": [{"rule": "quality_score > 0"}],
                "quality": {"perplexity": {"reference": "r.txt"}},
            },
            'rule "quality_score > 0": nothing measures quality_score.',
            "Write the section corpus.quality.classifier, or drop the rule.",
        ),
    ],
)
def test_a_column_that_nothing_measures_is_refused_where_it_stands(
    settings: dict[str, Any], fault: str, remedy: str
) -> None:
    config = CorpusConfig.model_validate({"sources": [{"name": "s", "path": "s.txt"}], **settings})

    with pytest.raises(RecipeError) as refused:
        check_rules(config)
    assert str(refused.value) == f"{fault} {remedy}"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {}, True),
        ({"languages": ("en",)}, {}, True),
        ({"languages": ("en",)}, {"languages": ("zh", "en")}, True),
        ({"languages": ("en",)}, {"languages": ("zh",)}, False),
        ({"languages": ("en",)}, {"except_languages": ("en",)}, False),
        ({"languages": ("en", "zh")}, {"except_languages": ("en",)}, True),
        ({"except_languages": ("zh",)}, {"except_languages": ("en",)}, True),
    ],
)
def test_rules_overlap_if_both_apply_to_some_language(
    first: dict[str, Any], second: dict[str, Any], expected: bool
) -> None:
    rules = Rule(rule="num_words > 1", **first), Rule(rule="num_words > 1", **second)

    assert rules[0].overlaps(rules[1]) == rules[1].overlaps(rules[0]) == expected


def test_a_rule_that_looks_at_other_documents_is_refused() -> None:
    with pytest.raises(RecipeError, match="its own scores"):
        check_values("num_words >= 20", pl.col("num_words") >= pl.col("num_words").mean())
