"""YAML as people expect it: 2e-3 is a number, `off` is a word, a key written twice is a mistake.

PyYAML follows YAML 1.1, where 2e-3 is a string, `off` is false and 2024-01-01 is a date. This loader takes YAML 1.2's
core rules, builds plain values only, and refuses texts that are huge, nest deeply, or use references, which can unfold
to any size.
"""

import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from headrace.errors import RecipeError

LARGEST_TEXT = 1 << 20
DEEPEST_NESTING = 64  # a recipe needs 6; scanning costs the square of the depth, 3 s at 10,000
LONGEST_NUMBER = 40

_OPENS = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSES = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 numbers and booleans, and no duplicate keys."""

    yaml_implicit_resolvers = {
        first: [(tag, expression) for tag, expression in resolvers if tag.endswith(":null")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise ConstructorError(
                    problem=f"the key `{key}` is written twice; keep one", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return mapping

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > LONGEST_NUMBER:
            raise ConstructorError(
                problem=f"a number of {len(node.value):,} digits; {LONGEST_NUMBER} are the most",
                problem_mark=node.start_mark,
            )
        return int(node.value.replace("_", ""))


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9][0-9_]*$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole_number)


def parse_yaml(text: str, origin: str) -> Any:
    """The plain value that a YAML text stands for. Raises RecipeError, with line and column, for anything else."""
    if len(text) > LARGEST_TEXT:
        raise RecipeError(f"{origin}: {len(text):,} characters, a recipe has at most {LARGEST_TEXT:,}.")
    try:
        _check_tokens(text)
        return yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{origin}: not valid YAML: {_one_line(error)}.") from error


def _check_tokens(text: str) -> None:
    """Raises YAMLError for what is valid YAML and has no place in a recipe, before anything is built from it."""
    depth = 0
    for token in yaml.scan(text):
        depth += isinstance(token, _OPENS) - isinstance(token, _CLOSES)
        if depth > DEEPEST_NESTING:
            raise _refusal(token, f"nested more than {DEEPEST_NESTING} levels deep")
        if isinstance(token, yaml.AliasToken):
            raise _refusal(token, "references (`*name`) are not allowed; write the value out")
        if isinstance(token, yaml.TagToken):
            raise _refusal(token, "types (`!name`) are not allowed; write the plain value")


def _refusal(token: yaml.Token, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=token.start_mark)


def _one_line(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return place + (problem or " ".join(str(error).split()))
