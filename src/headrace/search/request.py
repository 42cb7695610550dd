"""What is searched for, and what cannot be."""

import copy
import importlib.util
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from headrace.errors import RecipeError
from headrace.pipeline import RunOptions
from headrace.recipe import Recipe
from headrace.recipe.load import check_recipe, override, read_recipe
from headrace.recipe.tune_config import Dimension, Range, TuneConfig
from headrace.recipe.yaml_text import parse_yaml
from headrace.report.search_record import SUFFIX, SearchFolder
from headrace.train.config import StageConfig

CHANGES_DOCUMENTS = ("corpus", "examples")
MOST_COMBINATIONS = 200  # looked at to see whether a key that is refused alone goes with values of others

logger = logging.getLogger("headrace")


@dataclass(frozen=True)
class SearchRequest:
    """A recipe as it is written, and how it is carried out."""

    given: Mapping[str, Any]
    """The recipe as plain values, `tune` included."""
    origin: Path
    """Its file, for messages; the best recipe is written beside it."""
    options: RunOptions

    @cached_property
    def recipe(self) -> Recipe:
        """Raises RecipeError if it is none."""
        return check_recipe(self.given, str(self.origin))

    @property
    def config(self) -> TuneConfig:
        return self.recipe.tune or TuneConfig()

    @property
    def folder(self) -> SearchFolder:
        return SearchFolder(self.options.runs / f"{self.recipe.name}{SUFFIX}")

    @property
    def last_stage(self) -> StageConfig:
        return self.recipe.train[-1]

    @property
    def last_label(self) -> str:
        """The step that trials are watched in."""
        return "train" if len(self.recipe.train) == 1 else f"train {len(self.recipe.train) - 1}"

    @property
    def higher_is_better(self) -> bool:
        return self.config.metric == "validation_accuracy"

    def written(self, parameters: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """The recipe with other values and another name, without its search.

        Raises RecipeError if there is no place for a key.
        """
        changed: dict[str, Any] = copy.deepcopy(dict(self.given))
        for key, value in parameters.items():
            override(changed, key, copy.deepcopy(value))
        changed.pop("tune", None)
        return {**changed, "name": name}

    def check(self) -> None:
        """Raises RecipeError for a search that cannot be; warns of one whose figures say less than they seem to."""
        if importlib.util.find_spec("optuna") is None:
            raise RecipeError("headrace tune needs optuna, which is not installed. Run: pip install 'headrace[tune]'.")
        config, recipe = self.config, self.recipe
        if not config.space:
            raise RecipeError(
                "tune: no `space` to search. Write one in the recipe, in a file for --space, or as "
                "--set-space 'train.learning_rate={low: 1e-4, high: 1e-2, log: true}'."
            )
        if not recipe.train:
            raise RecipeError("tune: the recipe has no `train` section, so that no trial would be worth anything.")
        self._check_metric()
        if config.pruner != "none" and self.options.num_processes > 1:
            raise RecipeError(
                f"tune: the pruner {config.pruner} watches training in this process, and {self.options.num_processes} "
                "others were asked for. Write `pruner: none`, or train in one process."
            )
        for key, dimension in config.space.items():
            self._check_key(key, dimension)

    def _check_metric(self) -> None:
        config, recipe = self.config, self.recipe
        if config.metric == "bits_per_byte" and (recipe.evaluate is None or recipe.evaluate.bits_per_byte is None):
            raise RecipeError("tune: metric bits_per_byte is not measured; write `evaluate: [bits_per_byte]`.")
        if config.metric == "validation_accuracy" and not self.last_stage.learns_from_examples:
            name = self.last_stage.objective.name
            raise RecipeError(f"tune: metric validation_accuracy is of objectives on examples, not of {name}.")
        if config.metric == "validation_accuracy" and self.last_stage.publish == "average":
            raise RecipeError("tune: only the loss of averaged weights is measured; write `metric: validation_loss`.")
        changing = [key for key in config.space if key.partition(".")[0] in CHANGES_DOCUMENTS]
        if changing:
            logger.warning(
                "tune: `%s` may change which texts trials are measured on; compare them with care.", changing[0]
            )

    def _check_key(self, key: str, dimension: Dimension) -> None:
        """Raises RecipeError if a key can have none of its values: a wrong name is found before the first trial."""
        refusals = [self._refusal({key: value}) for value in ends(dimension)]
        if None in refusals:
            return
        others = {name: ends(each) for name, each in self.config.space.items() if name != key}
        combinations = itertools.product(ends(dimension), *others.values())
        for values in itertools.islice(combinations if others else (), MOST_COMBINATIONS):
            if self._refusal(dict(zip((key, *others), values, strict=True))) is None:
                return
        raise RecipeError(f"tune: space: `{key}` can have none of its values. {refusals[0]}")

    def _refusal(self, parameters: Mapping[str, Any]) -> str | None:
        """What is wrong with a recipe that has some values; None if nothing is."""
        try:
            check_recipe(self.written(parameters, name=self.recipe.name), str(self.origin))
        except RecipeError as error:
            return str(error).removeprefix("--set ")
        return None


def ends(dimension: Dimension) -> Sequence[Any]:
    """The outermost values of a range, or all choices."""
    return (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension


def written_values(request: SearchRequest) -> dict[str, Any] | None:
    """What the recipe itself says of the keys of a space; None if any of it lies outside."""
    found = {}
    for key, dimension in request.config.space.items():
        value = _value_at(request.recipe.as_json(), key)
        if not isinstance(dimension, Range):
            value = next((choice for choice in dimension if _says(request, key, choice, value)), None)
        elif value is not None and not dimension.has(value):
            return None
        if value is None:
            return None
        found[key] = value
    return found


def _says(request: SearchRequest, key: str, choice: Any, value: Any) -> bool:
    """Whether a choice, with what it leaves out filled in, is what the recipe says."""
    if not isinstance(choice, dict):
        return bool(choice == value)
    try:
        recipe = check_recipe(request.written({key: choice}, name=request.recipe.name), str(request.origin))
    except RecipeError:
        return False
    return bool(_value_at(recipe.as_json(), key) == value)


def _value_at(values: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(values, list) and not part.isdecimal():
            values = values[0] if len(values) == 1 else None
        if isinstance(values, list) and part.isdecimal():
            values = values[int(part)] if int(part) < len(values) else None
        else:
            values = values.get(part) if isinstance(values, dict) else None
    return values


def read_request(
    path: Path,
    options: RunOptions,
    *,
    changes: Mapping[str, Any] | None = None,
    space: Path | None = None,
    dimensions: Mapping[str, Any] | None = None,
    trials: int | None = None,
) -> SearchRequest:
    """A search in a recipe file: its `tune` section, a space from another file, and single keys, the latter winning.

    Raises RecipeError.
    """
    given = read_recipe(path, changes)
    tune = given.get("tune") or {}
    if not isinstance(tune, dict):
        raise RecipeError(f"{path}: tune: got {tune!r}, wanted keys and values.")
    searched = read_space(space) if space is not None else tune.get("space") or {}
    if not isinstance(searched, dict):
        raise RecipeError(f"{path}: tune.space: got {searched!r}, wanted keys of the recipe and their values.")
    tune = {**tune, "space": {**searched, **(dimensions or {})}} | ({} if trials is None else {"trials": trials})
    request = SearchRequest({**given, "tune": tune}, path, options)
    _ = request.recipe  # checked here, where the file is still named
    return request


def read_space(path: Path) -> dict[str, Any]:
    """The space in a file of its own. Raises RecipeError."""
    try:
        space = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    if not isinstance(space, dict):
        raise RecipeError(f"{path}: a space is a mapping of keys to their values, got {space!r}.")
    return space
