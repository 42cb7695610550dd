"""Rules that are not evaluated before every run are evaluated here."""

import polars as pl
import pytest

from headrace.corpus.decide.rules import PRESET_CONDITIONS, check_values, condition
from headrace.errors import RecipeError


@pytest.mark.parametrize("rule", sorted(PRESET_CONDITIONS))
def test_a_rule_of_a_preset_judges_every_document_by_its_own_scores(rule: str) -> None:
    check_values(rule, condition(rule))


def test_a_rule_that_looks_at_other_documents_is_refused() -> None:
    with pytest.raises(RecipeError, match="its own scores"):
        check_values("num_words >= 20", pl.col("num_words") >= pl.col("num_words").mean())
