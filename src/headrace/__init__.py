"""headrace: from raw text to a language model that answers, on one road, with measured numbers at every point of it.

    import headrace as hr

    run = hr.run("examples/quickstart.yaml", set={"train.epochs": 2})
    print(run.evaluation.bits_per_byte)
    print(run.model.generate("It is a truth"))

Names are loaded when they are used, so importing this costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from headrace.version import VERSION as __version__

if TYPE_CHECKING:
    from headrace.errors import HeadraceError
    from headrace.pipeline import Run, open_run
    from headrace.recipe import Recipe, load_recipe
    from headrace.start import run, tune

_HOMES = {
    "HeadraceError": "headrace.errors",
    "Recipe": "headrace.recipe",
    "Run": "headrace.pipeline",
    "load_recipe": "headrace.recipe",
    "open_run": "headrace.pipeline",
    "run": "headrace.start",
    "tune": "headrace.start",
}

__all__ = ["HeadraceError", "Recipe", "Run", "__version__", "load_recipe", "open_run", "run", "tune"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headrace' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
