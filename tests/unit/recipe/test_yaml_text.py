"""YAML as people expect it, and refusals with line and column for what has no place in a recipe."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RecipeError
from headrace.recipe.yaml_text import DEEPEST_NESTING, LARGEST_TEXT, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-3", 0.002),
        ("3E4", 30_000.0),
        ("-1.5e+2", -150.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1_000", 1000),
        ("-7", -7),
        ("+7", 7),
        ("0755", 755),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("off", "off"),
        ("on", "on"),
        ("yes", "yes"),
        ("no", "no"),
        ("n", "n"),
        ("2%", "2%"),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("2024-13-45", "2024-13-45"),
        ("0x10", "0x10"),
        ("e5", "e5"),
        ("1e", "1e"),
        ("nan", "nan"),
        (".inf", ".inf"),
        ("=", "="),
        ("'2'", "2"),
        ('"\\u6625"', "春"),
        ("[1, 2e0, x]", [1, 2.0, "x"]),
        ("{a: {b: [1]}}", {"a": {"b": [1]}}),
    ],
)
def test_words_are_words_and_numbers_are_numbers(text: str, value: Any) -> None:
    parsed = parse_yaml(f"key: {text}", "f.yaml")["key"]

    assert (parsed, type(parsed)) == (value, type(value))


@given(st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_by_python_is_read_as_the_same_number(number: float) -> None:
    parsed = parse_yaml(repr(number), "f.yaml")

    assert (parsed, type(parsed)) == (number, type(number))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", r"line 3, column 1: the key `a` is written twice; keep one"),
        ("x: {b: 1, b: 1}", r"line 1, column 11: the key `b` is written twice"),
        ("a: &x 1\nb: *x", r"line 2, column 4: references \(`\*name`\) are not allowed"),
        ("a: !!python/object:os.system {}", r"line 1, column 4: types \(`!name`\) are not allowed"),
        ("a: !!int x", r"types \(`!name`\) are not allowed"),
        ("? [a]\n: 1", r"line 1, column 3: found unhashable key"),
        ("a: [1, 2", r"line 1, column 9: expected ',' or ']'"),
        ("a:\tb\n\tc: d", r"line 1, column 3: found character '\\t' that cannot start any token"),
        ("a: 1\n---\nb: 2", r"line 2, column 1: but found another document"),
        ("a: \x00", r"unacceptable character #x0000"),
        ("seed: " + "9" * 5_000, r"line 1, column 7: a number of 5,000 digits; 40 are the most"),
    ],
)
def test_what_has_no_place_in_a_recipe_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=r"^f\.yaml: not valid YAML: ") as caught:
        parse_yaml(text, "f.yaml")

    assert caught.match(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_ten_thousand_levels_are_refused_at_once(opening: str) -> None:
    start = time.monotonic()

    with pytest.raises(RecipeError, match="nested more than 64 levels deep"):
        parse_yaml(opening * 10_000, "f.yaml")
    assert time.monotonic() - start < 1


def test_nesting_within_the_limit_is_read() -> None:
    value = parse_yaml("[" * DEEPEST_NESTING + "]" * DEEPEST_NESTING, "f.yaml")

    for _ in range(DEEPEST_NESTING - 1):
        (value,) = value
    assert value == []


def test_a_huge_text_is_refused_unread() -> None:
    with pytest.raises(RecipeError, match=r"f\.yaml: 1,048,577 characters, a recipe has at most 1,048,576"):
        parse_yaml(" " * (LARGEST_TEXT + 1), "f.yaml")


@given(st.text(alphabet="ab:-?[]{}&*!|>'\"%@`#,\n\t 01_.eE+~<=\x00春", max_size=40))
def test_every_text_is_a_plain_value_or_one_clear_sentence(text: str) -> None:
    try:
        value = parse_yaml(text, "f.yaml")
    except RecipeError as error:
        assert "\n" not in str(error)  # noqa: PT017  (most texts raise nothing)
    else:
        assert isinstance(value, dict | list | str | int | float | None)
