"""Rules as expressions over the ledger, refused in one sentence if they cannot be."""

import difflib
from collections.abc import Sequence
from functools import cache

import polars as pl
from polars.exceptions import PolarsError

from headrace.corpus.columns import SCORES, Kind
from headrace.corpus.config import CorpusConfig
from headrace.corpus.deduplicate.config import BestBy, ExactConfig, MinHashConfig
from headrace.corpus.presets import PRESETS, Rule
from headrace.corpus.redact.config import KINDS
from headrace.errors import RecipeError

POLARS_TYPES: dict[Kind, type[pl.DataType]] = {"string": pl.String, "int64": pl.Int64, "float64": pl.Float64}

SECTIONS = {"quality_score": "quality.classifier", "perplexity": "quality.perplexity"}
"""Column -> the section of a recipe that has it measured."""

PRESET_CONDITIONS = frozenset(rule.rule for listed in PRESETS.values() for rule in listed)
"""Tests evaluate these, so that runs need not."""


def check_rules(config: CorpusConfig) -> None:
    """Raises RecipeError for the first rule of any source that cannot be evaluated. Takes milliseconds.

    So for other places of the recipe that name a column.
    """
    for step in config.deduplicate:
        if isinstance(step, ExactConfig | MinHashConfig) and isinstance(step.keep, BestBy):
            _check_number(step.keep.best, config)
    if config.mix is not None and (column := config.mix.by.partition(".")[0]) != "metadata":
        if column not in SCORES:
            raise RecipeError(f"corpus.mix.by: there is no column {column}{_suggestion(column)}")
        _check_measured([column], config, place="corpus.mix.by", remedy="group by another column")
    for source in config.sources:
        for rule in config.rules_for(source):
            _check_measured(columns_of(rule), config, place=f'rule "{rule.rule}"', remedy="drop the rule")


def _check_number(column: str, config: CorpusConfig) -> None:
    """Raises RecipeError unless documents can be ranked by the column."""
    if column not in SCORES:
        raise RecipeError(f"corpus.deduplicate: keep: best: there is no column {column}{_suggestion(column)}")
    if SCORES[column] == "string":
        raise RecipeError(f"corpus.deduplicate: keep: best: {column} holds text, and the best is the highest number.")
    _check_measured(
        [column], config, place=f"corpus.deduplicate: keep: {{best: {column}}}", remedy="rank by another column"
    )


def _check_measured(columns: Sequence[str], config: CorpusConfig, *, place: str, remedy: str) -> None:
    """Raises RecipeError for the first column that nothing measures; it names the place and what else could be done."""
    asked = {
        "quality_score": config.quality is not None and config.quality.classifier is not None,
        "perplexity": config.quality is not None and config.quality.perplexity is not None,
        **{f"redacted_{kind}": config.redact is not None and kind in config.redact.kinds for kind in KINDS},
    }
    for column in columns:
        if not asked.get(column, True):
            section = SECTIONS.get(column, "redact")
            raise RecipeError(f"{place}: nothing measures {column}. Write the section corpus.{section}, or {remedy}.")


@cache
def condition(rule: str) -> pl.Expr:
    """The SQL condition as an expression, true or false for each document. Raises RecipeError if it is none."""
    try:
        expression = pl.sql_expr(rule)
    except PolarsError as error:
        raise RecipeError(f'rule "{rule}": cannot be read as an SQL condition ({_first_line(error)}).') from error
    for column in expression.meta.root_names():
        if column not in SCORES:
            raise RecipeError(f'rule "{rule}": there is no column {column}{_suggestion(column)}')
    if rule not in PRESET_CONDITIONS:
        check_values(rule, expression)
    return expression


def failing(rule: Rule) -> pl.Expr:
    """True where the rule applies and does not hold; an undecided condition (null) does not hold."""
    fails = ~condition(rule.rule).fill_null(False)
    if rule.languages:
        return fails & pl.col("language").is_in(rule.languages)
    if rule.except_languages:
        return fails & ~pl.col("language").is_in(rule.except_languages)
    return fails


def failing_by_reason(rules: Sequence[Rule]) -> dict[str, pl.Expr]:
    """Reason -> whether any rule of that name fails, in the order in which the names come first."""
    grouped: dict[str, list[pl.Expr]] = {}
    for rule in rules:
        grouped.setdefault(rule.reason, []).append(failing(rule))
    return {reason: pl.any_horizontal(fails) for reason, fails in grouped.items()}


def columns_of(rule: Rule) -> list[str]:
    """The ledger columns that a rule looks at, each once."""
    return list(dict.fromkeys(condition(rule.rule).meta.root_names()))


def check_values(rule: str, expression: pl.Expr) -> None:
    """Evaluates the rule on made-up documents, together and one by one: some faults show only then.

    Takes 10 ms. Raises RecipeError if it cannot be evaluated, gives no truth values or looks at several documents.
    """
    frame = _made_up_documents()
    try:
        together = frame.select(expression).to_series()
        one_by_one = [frame.slice(row, 1).select(expression).item() for row in range(frame.height)]
    except PolarsError as error:
        raise RecipeError(f'rule "{rule}": cannot be evaluated ({_first_line(error)}).') from error
    if together.dtype != pl.Boolean:
        raise RecipeError(f'rule "{rule}": gives {together.dtype}, not true or false; compare it with something.')
    if together.to_list() != one_by_one:
        raise RecipeError(f'rule "{rule}": must judge each document by its own scores, such as "num_words >= 20".')


@cache
def _made_up_documents() -> pl.DataFrame:
    samples = {"string": ["a", "b", "b"], "int64": [0, 1, 2], "float64": [0.0, 1.0, 2.0]}
    types = {name: POLARS_TYPES[kind] for name, kind in SCORES.items()}
    return pl.DataFrame({name: samples[kind] for name, kind in SCORES.items()}, types)


def _suggestion(column: str) -> str:
    near = difflib.get_close_matches(column, SCORES, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f". There are: {', '.join(SCORES)}."


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
