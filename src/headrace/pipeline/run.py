"""A recipe from its first step to its last."""

import importlib.metadata
import importlib.util

from headrace.errors import CapacityError, RecipeError
from headrace.pipeline.options import RunOptions
from headrace.pipeline.raw_text import RawText
from headrace.pipeline.result import Run
from headrace.pipeline.road import WORKER_BYTES, Road
from headrace.pipeline.threads import wait_asleep
from headrace.recipe import Recipe
from headrace.report.tracking import check_installed
from headrace.store import Artefact, RunFolder
from headrace.trace import recording, span
from headrace.train.sweep_config import SweepConfig

RATES_SUFFIX = "-rates"
LEAST_BYTES = 300_000_000
"""Below this no run can stay. One process was seen to take 210 MB for 50 documents and 330 MB for units of 32 MB, pages
that it shares with files not counted."""


def run_recipe(recipe: Recipe, options: RunOptions) -> Run:
    """Carries a recipe out, or what is left of it, and returns its run.

    Raises HeadraceError; everything finished until then is kept, and the same call continues from there.
    """
    wait_asleep()
    _check_memory(options.memory_limit_bytes)
    run = RunFolder(options.runs / recipe.name)
    if recipe.train and importlib.util.find_spec("torch") is None:
        raise RecipeError("train: training needs torch, which is not installed. Run: pip install 'headrace[train]'.")
    check_installed(recipe.track if recipe.train else ())
    raw = RawText.find(recipe.corpus, recipe.name, options) if recipe.corpus else None
    with run.held(), recording(run.trace_path, options.listeners), span("run"):
        Road(recipe, options, run).go(raw)
    return Run(run)


def _check_memory(limit_bytes: int | None) -> None:
    """Raises CapacityError for a limit that nobody could keep to."""
    if limit_bytes is not None and limit_bytes < LEAST_BYTES:
        raise CapacityError(
            f"memory limit: got {limit_bytes:,} bytes, and one process that curates text takes "
            f"{LEAST_BYTES / 1e6:,.0f} to {WORKER_BYTES / 1e6:,.0f} MB. Give it {LEAST_BYTES / 1e6:,.0f}MB or more, or "
            "leave the limit out."
        )


def run_sweep(recipe: Recipe, options: RunOptions, sweep: SweepConfig) -> Artefact:
    """The learning rates tried for the recipe's first stage, and the one suggested, in the summary.

    Its steps are noted in a run of their own, `NAME-rates`; texts and tokens are shared with the recipe's.
    """
    if not recipe.train:
        raise RecipeError("the recipe has no `train` section, so there is no stage to find a learning rate for.")
    wait_asleep()
    run = RunFolder(options.runs / f"{recipe.name}{RATES_SUFFIX}")
    raw = RawText.find(recipe.corpus, recipe.name, options) if recipe.corpus else None
    with run.held(), recording(run.trace_path, options.listeners), span("run"):
        return Road(recipe, options, run).sweep(raw, sweep)
