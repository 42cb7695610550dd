"""Recipes as text that reads back as the same values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from headrace.recipe.yaml_text import parse_yaml
from headrace.store import write_file

WIDTH = 120
MARK = "# Written by `headrace tune`"


class _Dumper(yaml.SafeDumper):
    """SafeDumper without references, which recipes do not allow."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write_recipe(given: Mapping[str, Any], path: Path, *, about: str) -> None:
    """Replaces a recipe file in one step. about: a line that says what it is."""
    text = yaml.dump(dict(given), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    assert parse_yaml(text, str(path)) == given, "YAML that we write is YAML that we read"
    write_file(path, f"{MARK}: {about}\n{text}".encode())


def is_ours(path: Path) -> bool:
    """Whether a file may be replaced: there is none, or a search has written it."""
    try:
        return path.read_text(encoding="utf-8").startswith(MARK)
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError):
        return False
