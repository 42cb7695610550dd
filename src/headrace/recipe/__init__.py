"""What a user writes: a recipe, checked before any work begins.

In: YAML, or a mapping, and `--set` overrides. Out: a frozen `Recipe`, defaults filled in.
Promises: an unknown key, a wrong type or an impossible combination is refused with the key's path, what was given,
what was wanted and the nearest valid name. Needs no torch.
"""

from headrace.recipe.load import load_recipe, parse_override
from headrace.recipe.schema import Recipe

__all__ = ["Recipe", "load_recipe", "parse_override"]
