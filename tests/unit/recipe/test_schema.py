"""What a recipe means when less is written, and what editors are told about it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.errors import RecipeError
from headrace.models.config import PRESETS
from headrace.recipe import Recipe, load_recipe
from headrace.recipe.load import check_recipe
from headrace.tokens.config import TokensConfig

Load = Callable[..., Recipe]

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart.yaml"
CORPUS_ONLY = "name: a\nseed: 1\ncorpus: {sources: [{name: a, path: a}]}\n"


def test_sections_may_be_left_out_from_the_end(load: Load) -> None:
    corpus_only, with_training = load(CORPUS_ONLY), load(CORPUS_ONLY + "train: {epochs: 2}")

    assert (corpus_only.tokens, corpus_only.model, corpus_only.train, corpus_only.evaluate) == (None, None, (), None)
    assert [stage.epochs for stage in with_training.train] == [2]
    assert with_training.model_config_or_default.preset == "tiny"


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_in_sizes_and_a_written_size_wins(preset: str, load: Load) -> None:
    whole = load(CORPUS_ONLY + f"train: {{}}\nmodel: {{preset: {preset}}}").model
    deeper = load(CORPUS_ONLY + f"train: {{}}\nmodel: {{preset: {preset}, depth: 3}}").model

    assert whole is not None
    assert {name: getattr(whole, name) for name in PRESETS[preset]} == PRESETS[preset]
    assert deeper == whole.model_copy(update={"depth": 3})


def test_a_recipe_with_every_default_written_out_is_the_same_recipe() -> None:
    recipe = load_recipe(QUICKSTART)

    assert check_recipe(recipe.as_json(), "json") == recipe


def test_a_recipe_cannot_be_changed(load: Load) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(CORPUS_ONLY).seed = 2


def test_every_key_of_the_schema_says_what_it_means() -> None:
    schema = Recipe.model_json_schema()

    silent = [
        f"{title}.{name}"
        for title, part in {"Recipe": schema, **schema["$defs"]}.items()
        for name, field in part["properties"].items()
        if not field.get("description", schema["$defs"].get(field.get("$ref", "").rpartition("/")[2]))
    ]
    assert silent == []
    assert all(part.get("description") for part in (schema, *schema["$defs"].values()))


def test_the_schema_knows_every_key_of_the_quickstart() -> None:
    schema = Recipe.model_json_schema()
    given = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))

    assert set(schema["required"]) <= set(given)
    assert list(unknown_keys(given, schema, schema["$defs"])) == []


def test_the_schema_takes_one_stage_or_a_list_of_them() -> None:
    forms = Recipe.model_json_schema()["properties"]["train"]["anyOf"]

    assert [form.get("type", "stage") for form in forms] == ["stage", "array"]


def test_loading_a_recipe_does_not_load_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from headrace.recipe import load_recipe; "
        "load_recipe(Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, QUICKSTART], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_the_quickstart_can_be_loaded_and_a_typo_in_it_is_found(tmp_path: Path) -> None:
    (tmp_path / "typo.yaml").write_text(QUICKSTART.read_text(encoding="utf-8").replace("hold_out", "holdout"))

    assert load_recipe(QUICKSTART).name == "quickstart"
    with pytest.raises(RecipeError, match=r"corpus\.holdout: unknown key .* Did you mean `hold_out`"):
        load_recipe(tmp_path / "typo.yaml")


def unknown_keys(given: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """Keys of a value that none of the forms a schema allows for it has."""
    forms = list(forms_of(schema, definitions))
    if isinstance(given, list):
        items = {"anyOf": [form["items"] for form in forms if "items" in form]}
        for entry in given:
            yield from unknown_keys(entry, items if items["anyOf"] else schema, definitions)
    elif isinstance(given, dict):
        properties = {name: field for form in forms for name, field in form.get("properties", {}).items()}
        for key, value in given.items():
            if key in properties:
                yield from unknown_keys(value, properties[key], definitions)
            else:
                yield key


def forms_of(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema itself, or what its references and alternatives lead to."""
    if "$ref" in schema:
        yield from forms_of(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for inner in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from forms_of(inner, definitions)
    yield schema


def test_special_tokens_are_for_vocabularies_that_are_trained_and_not_for_one_that_is_given(load: Load) -> None:
    masked = CORPUS_ONLY + "train: {objective: masked, learning_rate: 1e-4}\n"

    assert load(masked).tokens_config.vocabulary.special_tokens == ("<|mask|>",)
    assert load(masked + "model: {hf: folder}").tokens_config == TokensConfig()
