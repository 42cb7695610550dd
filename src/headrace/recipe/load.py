"""Recipes from files, with overrides, and refusals that help."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from headrace.errors import RecipeError
from headrace.recipe.schema import Recipe
from headrace.recipe.yaml_text import parse_yaml

SHOWN_CHARACTERS = 80
QUOTE = "'"
WANTED = {
    "tuple_type": "a list",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "too_short": "at least one",
}


def load_recipe(path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in a YAML file, with some keys replaced (`train.0.epochs` -> 2).

    Raises RecipeError: a file that cannot be read, or anything the schema does not allow, all of it in one message.
    """
    return check_recipe(read_recipe(path, overrides), str(path))


def read_recipe(path: Path, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is written in a YAML file, with some keys replaced, not checked yet. Raises RecipeError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(
            f"{path}: no such file. Give the path of a recipe, for example examples/quickstart.yaml."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    given = parse_yaml(text, str(path))
    if not isinstance(given, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys (name, seed, corpus, ...), got {_show(given)}.")
    for key, value in (overrides or {}).items():
        override(given, key, value)
    return given


def check_recipe(given: Mapping[str, Any], origin: str) -> Recipe:
    """The recipe that a plain mapping stands for. Raises RecipeError."""
    try:
        return Recipe.model_validate(given)
    except ValidationError as error:
        errors = [each for each in error.errors() if not _follows_from_another(each)]
        lines = "\n".join(f"  {sentence}" for sentence in dict.fromkeys(map(_explain, errors)))
        raise RecipeError(f"{origin}: not a recipe that can run:\n{lines}") from None


def parse_override(text: str) -> tuple[str, Any]:
    """`train.epochs=2` as a key and a value; the value is read as YAML. Raises RecipeError."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {text!r}: want KEY=VALUE, for example --set train.learning_rate=3e-4.")
    return key.strip(), parse_yaml(value, f"--set {key}")


def override(given: dict[str, Any], key: str, value: Any) -> None:
    """Replaces the value at a dotted key in place; a list with one element needs no index. Raises RecipeError."""
    *path, last = key.split(".")
    target: Any = given
    for part in path:
        target = _descend(target, part, key)
    if isinstance(target, list) and not last.isdecimal():
        target = _only_element(target, key)
    if isinstance(target, list):
        _check_index(target, last, key)
        target[int(last)] = value
    elif isinstance(target, dict):
        target[last] = value
    else:
        raise RecipeError(f"--set {key}: `{'.'.join(path)}` is {_show(target)} and has no keys below it.")


def _descend(target: Any, part: str, key: str) -> Any:
    if isinstance(target, list) and not part.isdecimal():
        target = _only_element(target, key)
    if isinstance(target, list):
        _check_index(target, part, key)
        return target[int(part)]
    if isinstance(target, dict):
        if part.isdecimal() and part not in target:
            _check_index([target], part, key)
            return target  # `train.0` where a single stage is written without a list
        if target.get(part) is None:
            target[part] = {}
        return target[part]
    raise RecipeError(f"--set {key}: {_show(target)} has no key `{part}`.")


def _only_element(target: list[Any], key: str) -> Any:
    if len(target) != 1:
        raise RecipeError(f"--set {key}: a list of {len(target)} stands there; say which one by its number, from 0.")
    return target[0]


def _check_index(target: list[Any], part: str, key: str) -> None:
    if int(part) >= len(target):
        raise RecipeError(f"--set {key}: the list there has {len(target)}, numbered from 0; got {part}.")


def _explain(error: ErrorDetails) -> str:
    """One sentence: where, what was given, what was wanted."""
    place = tuple(part for part in error["loc"] if not _is_branch(part))
    path = ".".join(map(str, place)) or "the recipe"
    if error["type"] == "extra_forbidden":
        return f"{path}: unknown key (value {_show(error['input'])}).{_suggest(place)}"
    if error["type"] == "missing":
        return f"{path}: missing; it must be written."
    if error["type"] == "union_tag_not_found":
        return f"{path}.{error['ctx']['discriminator'].strip(QUOTE)}: missing; it must be written."
    if error["type"] == "union_tag_invalid":
        return f"{path}: got {_show(error['ctx']['tag'])}, wanted one of {error['ctx']['expected_tags']}."
    if error["type"] == "invalid_key":
        return f"{path}: a key is a word; write it in quotes if it must be a number."
    message = WANTED.get(error["type"]) or error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    wanted = message if error["type"] == "value_error" else f"got {_show(error['input'])}, wanted {message}"
    return f"{path}: {wanted}."


def _follows_from_another(error: ErrorDetails) -> bool:
    """Whether an error only says that what stands here failed: a list short of its bad elements, a branch not meant."""
    too_short = error["type"] == "too_short" and len(error["input"]) > error["ctx"]["actual_length"]
    another_branch = error["loc"][-1:] == ("str",) and isinstance(error["input"], dict)
    return too_short or another_branch


def _is_branch(part: int | str) -> bool:
    """Whether a part of an error's location names a branch of a union instead of a key."""
    return isinstance(part, str) and ("[" in part or part in _branches())


@cache
def _branches() -> frozenset[str]:
    """Names that pydantic gives to the branches of unions: types, and the methods and names that tell them apart."""
    models = list(_models_below(Recipe))
    fields = [model.model_fields[key] for model in models for key in ("method", "name") if key in model.model_fields]
    words = (word for field in fields for word in get_args(field.annotation) if isinstance(word, str))
    return frozenset(("str", "int", "float", "bool", *(model.__name__ for model in models), *words))


def _suggest(place: Sequence[int | str]) -> str:
    unknown = str(place[-1])
    here = [name for path, name in _all_keys(Recipe) if _same_level(path, place[:-1])]
    if close := difflib.get_close_matches(unknown, here, n=1):
        return f" Did you mean `{close[0]}`?"
    if elsewhere := [".".join((*path, name)) for path, name in _all_keys(Recipe) if name == unknown]:
        return f" Did you mean `{min(elsewhere, key=lambda key: key.count('.'))}`?"
    return f" Valid keys here: {', '.join(here)}." if here else ""


def _same_level(path: tuple[str, ...], place: Sequence[int | str]) -> bool:
    return path == tuple(part for part in place if isinstance(part, str))


def _all_keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key of the schema with the keys above it, list positions left out."""
    for name, field in model.model_fields.items():
        yield path, name
        for inner in _models_in(field.annotation):
            yield from _all_keys(inner, (*path, name))


def _models_below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            yield from _models_below(inner)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        if argument is not annotation:
            yield from _models_in(argument)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
