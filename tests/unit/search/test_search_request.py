"""What can be searched, how it is written, and what is refused before the first trial."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.errors import RecipeError
from headrace.pipeline import RunOptions
from headrace.recipe.tune_config import Range
from headrace.search.request import SearchRequest, read_request, written_values

RECIPE: dict[str, Any] = {
    "name": "mill",
    "seed": 3,
    "corpus": {"sources": [{"name": "x", "path": "x.txt"}]},
    "model": {"depth": 2, "width": 32, "heads": 2, "kv_heads": 1},
    "train": [{"learning_rate": 0.002}],
    "evaluate": ["bits_per_byte"],
}
RATES = {"low": 1e-4, "high": 1e-2, "log": True}


@pytest.fixture
def request_of(tmp_path: Path) -> Any:
    """A search in a recipe file with some sections replaced."""

    def read(space: Any = None, *, options: RunOptions | None = None, **sections: Any) -> SearchRequest:
        path = tmp_path / "mill.yaml"
        path.write_text(yaml.safe_dump({**RECIPE, **sections}), encoding="utf-8")
        return read_request(path, options or RunOptions(runs=tmp_path / "runs"), dimensions=space)

    return read


def refusal(request: SearchRequest) -> str:
    with pytest.raises(RecipeError) as refused:
        request.check()
    return str(refused.value)


def test_a_space_comes_from_the_recipe_a_file_and_single_keys(tmp_path: Path) -> None:
    path, space = tmp_path / "mill.yaml", tmp_path / "space.yaml"
    tune = {"space": {"model.depth": [2, 4]}, "trials": 7, "pruner": "none"}
    path.write_text(yaml.safe_dump({**RECIPE, "tune": tune}), encoding="utf-8")
    space.write_text("train.warm_up: {low: 0.0, high: 0.5}\ntrain.learning_rate: [1e-3, 2e-3]", encoding="utf-8")
    options = RunOptions(runs=tmp_path)

    own = read_request(path, options).config
    filed = read_request(path, options, space=space, dimensions={"train.learning_rate": RATES}, trials=9).config

    assert (own.space, own.trials, own.pruner) == ({"model.depth": (2, 4)}, 7, "none")
    assert filed.space == {"train.warm_up": Range(low=0.0, high=0.5), "train.learning_rate": Range(**RATES)}
    assert (filed.trials, filed.pruner) == (9, "none")


def test_a_search_that_can_be_is_not_refused(request_of: Any) -> None:
    request = request_of({"train.0.learning_rate": RATES, "model.depth": {"low": 1, "high": 5}})

    request.check()

    assert request.folder.path.name == "mill-tune"
    assert request.last_label == "train"


@pytest.mark.parametrize(
    ("space", "sections", "reason"),
    [
        ({}, {}, "no `space` to search"),
        ({"train.lerning_rate": [1]}, {}, "Did you mean `learning_rate`"),
        ({"train.3.learning_rate": [1e-3]}, {}, "the list there has 1, numbered from 0; got 3"),
        ({"model.depth": [-1, 0]}, {}, "`model.depth` can have none of its values"),
        ({"train.learning_rate": RATES}, {"train": [], "model": None, "evaluate": None}, "no `train` section"),
        ({"model.depth": [2]}, {"tune": {"metric": "validation_accuracy"}}, "of objectives on examples, not of causal"),
        ({"model.depth": [2]}, {"tune": {"metric": "bits_per_byte"}, "evaluate": ["samples"]}, "is not measured"),
    ],
)
def test_a_search_that_cannot_be_is_refused(
    space: dict[str, Any], sections: dict[str, Any], reason: str, request_of: Any
) -> None:
    assert reason in refusal(request_of(space, **sections))


@pytest.mark.parametrize(
    ("space", "reason"),
    [
        ({"seed": [1, 2]}, "another seed holds out other documents"),
        ({"name": ["a", "b"]}, "it names the runs"),
        ({"tokens.vocabulary.train": [400, 800]}, "losses per token cannot be compared"),
        ({"train.warm_up": {"low": 0.5, "high": 0.1}}, "low 0.5 is not below high 0.1"),
        ({"train.warm_up": {"low": 0.0, "high": 0.1, "log": True}}, "must be above 0"),
        ({"train.warm_up": {"low": 0.1, "high": 0.2, "log": True, "step": 0.1}}, "exclude each other"),
        ({"train.warm_up": []}, "at least one"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(space: dict[str, Any], reason: str, request_of: Any) -> None:
    with pytest.raises(RecipeError, match=reason):
        request_of(space)


def test_a_key_that_needs_another_is_no_mistake(request_of: Any) -> None:
    """`plateau` goes with one shape only: alone every value is refused, beside that shape none."""
    request_of({"train.schedule.plateau.factor": [0.3, 0.6], "train.schedule.shape": ["wsd", "plateau"]}).check()


def test_pruning_needs_training_in_this_process(request_of: Any, tmp_path: Path) -> None:
    options = RunOptions(runs=tmp_path, num_processes=2)

    assert "Write `pruner: none`" in refusal(request_of({"model.depth": [2, 3]}, options=options))
    request_of({"model.depth": [2, 3]}, options=options, tune={"pruner": "none"}).check()


def test_without_optuna_one_line_says_what_to_install(request_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert refusal(request_of({"model.depth": [2, 3]})) == (
        "headrace tune needs optuna, which is not installed. Run: pip install 'headrace[tune]'."
    )


def test_a_space_that_changes_the_corpus_is_warned_of(request_of: Any, caplog: pytest.LogCaptureFixture) -> None:
    request_of({"corpus.hold_out": ["2%", "5%"]}).check()

    assert ["`corpus.hold_out`" in record.message for record in caplog.records] == [True]


def test_a_trial_is_the_recipe_with_other_values_and_without_its_search(request_of: Any) -> None:
    request = request_of({"train.optimizer": ["adamw", {"name": "muon"}]})
    values = {"train.optimizer": {"name": "muon"}, "train.learning_rate": 0.01}

    given = request.written(values, name="mill-trial-0003")

    train = [{"learning_rate": 0.01, "optimizer": {"name": "muon"}}]
    assert given == {**RECIPE, "name": "mill-trial-0003", "train": train}


@pytest.mark.parametrize(
    ("space", "found"),
    [
        ({"train.learning_rate": RATES, "model.depth": [2, 4]}, {"train.learning_rate": 0.002, "model.depth": 2}),
        ({"train.0.optimizer.name": ["lion", "adamw"]}, {"train.0.optimizer.name": "adamw"}),
        ({"train.optimizer": [{"name": "muon"}, {"name": "adamw"}]}, {"train.optimizer": {"name": "adamw"}}),
        ({"train.optimizer": [{"name": "muon"}, {"name": "adamw", "beta1": 0.8}]}, None),
        ({"train.learning_rate": RATES, "model.depth": [3, 4]}, None),
        ({"model.depth": {"low": 1, "high": 5, "step": 2}}, None),
        ({"model.depth": {"low": 0, "high": 5, "step": 2}}, {"model.depth": 2}),
        ({"train.learning_rate": {"low": 1, "high": 5}}, None),
    ],
)
def test_what_the_recipe_says_itself_is_known_if_it_may_be_tried(
    space: dict[str, Any], found: dict[str, Any] | None, request_of: Any
) -> None:
    request = request_of(space)

    assert written_values(request) == found
