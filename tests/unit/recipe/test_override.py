"""`--set KEY=VALUE` replaces exactly the value that it names, or says why it cannot."""

from collections.abc import Callable
from typing import Any

import pytest

from headrace.errors import RecipeError
from headrace.recipe import Recipe, parse_override
from headrace.recipe.load import override

Load = Callable[..., Recipe]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("train.epochs=2", ("train.epochs", 2)),
        ("train.learning_rate=3e-4", ("train.learning_rate", 3e-4)),
        ("name=second", ("name", "second")),
        ("train.compile=off", ("train.compile", "off")),
        ("corpus.curate=[gopher]", ("corpus.curate", ["gopher"])),
        ("corpus.curate=[{rule: num_words >= 3}]", ("corpus.curate", [{"rule": "num_words >= 3"}])),
        ("tokens=", ("tokens", None)),
        ("a=b=c", ("a", "b=c")),
    ],
)
def test_a_value_is_read_as_yaml(text: str, parsed: tuple[str, Any]) -> None:
    assert parse_override(text) == parsed


@pytest.mark.parametrize("text", ["", "train.epochs", "=3"])
def test_without_key_or_value_it_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RecipeError, match=r"want KEY=VALUE, for example --set train\.learning_rate=3e-4"):
        parse_override(text)


def test_a_value_that_is_no_yaml_is_refused_with_its_key() -> None:
    with pytest.raises(RecipeError, match=r"--set corpus\.curate: not valid YAML: line 1"):
        parse_override("corpus.curate=[gopher")


@pytest.mark.parametrize(
    ("given", "key", "expected"),
    [
        ({"train": [{"epochs": 1}]}, "train.epochs", {"train": [{"epochs": 2}]}),
        ({"train": [{"epochs": 1}]}, "train.0.epochs", {"train": [{"epochs": 2}]}),
        ({"train": {"epochs": 1}}, "train.epochs", {"train": {"epochs": 2}}),
        ({"train": {"epochs": 1}}, "train.0.epochs", {"train": {"epochs": 2}}),
        ({"train": [{}, {"epochs": 1}]}, "train.1.epochs", {"train": [{}, {"epochs": 2}]}),
        ({"train": [{}, {}]}, "train.1", {"train": [{}, 2]}),
        ({}, "train.optimizer.beta1", {"train": {"optimizer": {"beta1": 2}}}),
        ({"tokens": None}, "tokens.row_tokens", {"tokens": {"row_tokens": 2}}),
        ({"seed": 1}, "seed", {"seed": 2}),
        ({"a": {"0": 1}}, "a.0", {"a": {"0": 2}}),
    ],
)
def test_it_replaces_what_it_names_and_nothing_else(given: dict[str, Any], key: str, expected: dict[str, Any]) -> None:
    override(given, key, 2)

    assert given == expected


@pytest.mark.parametrize(
    ("given", "key", "message"),
    [
        ({"train": [{}, {}]}, "train.epochs", "a list of 2 stands there; say which one by its number, from 0"),
        ({"train": []}, "train.epochs", "a list of 0 stands there"),
        ({"train": [{}]}, "train.1.epochs", "the list there has 1, numbered from 0; got 1"),
        ({"train": [{}, {}]}, "train.2", "the list there has 2, numbered from 0; got 2"),
        ({"train": {"epochs": 1}}, "train.1.epochs", "the list there has 1, numbered from 0; got 1"),
        ({"seed": 1}, "seed.value", "`seed` is 1 and has no keys below it"),
        ({"seed": 1}, "seed.value.more", "1 has no key `value`"),
        ({"corpus": {"curate": ["gopher"]}}, "corpus.curate.0.rule", "`corpus.curate.0` is 'gopher' and has no keys"),
    ],
)
def test_a_place_that_is_not_there_is_refused(given: dict[str, Any], key: str, message: str) -> None:
    before = repr(given)

    with pytest.raises(RecipeError, match=rf"^--set {key}: .*{message}"):
        override(given, key, 2)
    assert repr(given) == before


def test_an_overridden_recipe_is_checked_like_one_that_was_written(load: Load) -> None:
    text = "name: a\nseed: 1\ncorpus: {sources: [{name: a, path: a}]}\n"

    assert load(text, {"name": "b", "tokens.row_tokens": 512}).tokens_config.row_tokens == 512
    with pytest.raises(RecipeError, match=r"tokens\.row_token: unknown key .* Did you mean `row_tokens`"):
        load(text, {"tokens.row_token": 512})
