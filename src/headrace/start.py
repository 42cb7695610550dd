"""`headrace.run`: a recipe carried out from Python."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.pipeline import Run, RunOptions, run_recipe
from headrace.recipe import Recipe, load_recipe
from headrace.search.request import read_request
from headrace.search.tuning import Search, search


def run(
    recipe: Recipe | Path | str,
    *,
    set: Mapping[str, Any] | None = None,  # noqa: A002  (the word of the command line)
    runs: Path | str = "runs",
    processes: int = 1,
    show_progress: bool = True,
) -> Run:
    """Carries out a recipe, or what is left of it, and returns its run.

    recipe: a `Recipe`, whose relative paths start in the current folder, or the path of a YAML file, whose paths
    start beside it. set: values to replace in the file, `{"train.epochs": 2}`. runs: the folder of all runs.
    processes: how many train together.
    Raises HeadraceError: UserError for what cannot run as asked, RunError for what failed; the same call then
    continues.
    """
    if isinstance(recipe, Recipe):
        if set:
            raise ValueError("set: replaces values in a recipe file; use recipe.model_copy for a Recipe")
        folder = Path()
    else:
        folder = Path(recipe).parent
        recipe = load_recipe(Path(recipe), set)
    options = RunOptions(runs=Path(runs), recipe_folder=folder, num_processes=processes)
    if not show_progress:
        return run_recipe(recipe, options)
    from headrace.cli.progress import show

    with show() as listener:
        return run_recipe(recipe, replace(options, listeners=(listener,)))


def tune(
    recipe: Path | str,
    *,
    space: Mapping[str, Any] | None = None,
    trials: int | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002  (the word of the command line)
    runs: Path | str = "runs",
    processes: int = 1,
    show_progress: bool = True,
) -> Search:
    """Carries out the trials that are left of a search for better values, and returns it.

    recipe: a YAML file. space: values to try, `{"train.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "model.depth": [2, 4]}`, besides or in place of those of its `tune` section. trials: how many in all. The rest as
    for `run`.
    Raises HeadraceError; the same call then goes on with the trial it was at.
    """
    path = Path(recipe)
    options = RunOptions(runs=Path(runs), recipe_folder=path.parent, num_processes=processes)
    request = read_request(path, options, changes=set, dimensions=space, trials=trials)
    if not show_progress:
        return search(request)
    from headrace.cli.progress import show

    with show() as listener:
        return search(replace(request, options=replace(options, listeners=(listener,))))
