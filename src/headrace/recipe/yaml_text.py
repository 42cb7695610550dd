"""YAML as people expect it: 2e-3 is a number, `off` is a word, a key written twice is a mistake.

PyYAML follows YAML 1.1, where 2e-3 is a string and `off` is false. This loader takes YAML 1.2's core rules for both,
builds plain values only, and refuses texts that are huge or use references, which can unfold to any size.
"""

import re
from typing import Any

import yaml

from headrace.errors import RecipeError

LARGEST_TEXT = 1 << 20


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 numbers and booleans, and no duplicate keys."""

    yaml_implicit_resolvers = {
        first: [(tag, expression) for tag, expression in resolvers if not tag.endswith((":bool", ":float", ":int"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise RecipeError(f"line {key_node.start_mark.line + 1}: the key `{key}` is written twice; keep one.")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9][0-9_]*$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value.replace("_", "")))


def parse_yaml(text: str, origin: str) -> Any:
    """The plain value that a YAML text stands for. Raises RecipeError, with line and column, for anything else."""
    if len(text) > LARGEST_TEXT:
        raise RecipeError(f"{origin}: {len(text):,} characters, a recipe has at most {LARGEST_TEXT:,}.")
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise RecipeError(f"{origin}: references (`*name`) are not allowed; write the value out.")
        return yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{origin}: not valid YAML: {_one_line(error)}") from error
    except RecursionError as error:
        raise RecipeError(f"{origin}: nested too deeply for a recipe.") from error


def _one_line(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return place + (problem or str(error))
