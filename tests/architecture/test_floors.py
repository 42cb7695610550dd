"""Imports point down the road only, and the data half stands without torch."""

import subprocess
import sys
from graphlib import TopologicalSorter

import pytest
from source_tree import MODULES, SOURCE

# From the end of the road to its beginning; a module imports from its own floor and from those after it.
FLOORS = (
    "cli",
    "search",
    "pipeline",  # the steps in order: it knows every floor below, and only the command line knows it
    "recipe",
    "report",
    "diagnose",
    "compress",
    "evaluate",
    "serve",  # below evaluate, which makes its samples with serve's generator
    "train",
    "privacy",
    "parallel",
    "objectives",
    "models",
    "examples",
    "tokens",
    "corpus",
    "store",
    "trace",
)
ROOF = ("headrace", "headrace.__main__", "headrace.start")
GROUND = ("headrace.errors", "headrace.config", "headrace.version")
WITHOUT_TORCH = ("search", "pipeline", "recipe", "report", "diagnose", "examples", "tokens", "corpus", "store", "trace")

LIST_TORCH = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + ".") if sys.argv[2] else ():
    importlib.import_module(found.name)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "transformers", "tensorboard"}))
"""


def height(name: str) -> int:
    """How far down a module lies: 0 is the roof."""
    if name in ROOF:
        return 0
    return 1 + len(FLOORS) if name in GROUND else 1 + FLOORS.index(name.split(".")[1])


def test_every_module_stands_on_a_floor() -> None:
    folders = {path.name for path in (SOURCE / "headrace").iterdir() if path.is_dir() and path.name != "__pycache__"}
    alone = {module.name for module in MODULES if module.path.parent == SOURCE / "headrace"}

    assert folders <= set(FLOORS)
    assert alone == {*ROOF, *GROUND}


def test_imports_point_down() -> None:
    upward = [
        f"{module} lies below {name}, which it imports"
        for module in MODULES
        for name in module.imports
        if height(name) < height(module.name)
    ]

    assert upward == []


def test_no_import_leads_back_to_where_it_came_from() -> None:
    TopologicalSorter({module.name: module.imports - {module.name} for module in MODULES}).prepare()


@pytest.mark.parametrize("floor", WITHOUT_TORCH)
def test_a_floor_of_the_data_half_loads_no_torch(floor: str) -> None:
    command = [sys.executable, "-c", LIST_TORCH, f"headrace.{floor}", "with all modules"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "name", ["headrace", "headrace.start", "headrace.cli.main", "headrace.models", "headrace.train"]
)
def test_what_everybody_imports_loads_no_torch(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", LIST_TORCH, name, ""], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
