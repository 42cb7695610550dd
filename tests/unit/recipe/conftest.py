"""Recipes as text and as mappings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.recipe import Recipe, load_recipe

Load = Callable[..., Recipe]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a recipe from its text, with overrides."""

    def run(text: str, overrides: dict[str, Any] | None = None) -> Recipe:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return load_recipe(path, overrides)

    return run
