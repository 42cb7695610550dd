"""`headrace tune`: better values for some keys of a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.arguments import ChangesOption, JsonOption, RecipeArgument, RunsOption, print_json
from headrace.cli.terminal_text import safe_text
from headrace.errors import StoppedError

if TYPE_CHECKING:
    from headrace.report.search_record import SearchRecord
    from headrace.search.tuning import Search
    from headrace.trace import Listener, Record

MOST_ROWS = 20
MOST_ERRORS = 5


def register(app: typer.Typer) -> None:
    """Adds `tune`."""
    app.command(
        epilog=(
            "Example: headrace tune examples/quickstart.yaml "
            "--set-space 'train.learning_rate={low: 5e-4, high: 8e-3, log: true}' --trials 12"
        )
    )(tune)


def tune(
    recipe: RecipeArgument,
    changes: ChangesOption = None,
    space: Annotated[
        Path | None, typer.Option("--space", help="YAML with the values to try, in place of the recipe's tune.space.")
    ] = None,
    dimensions: Annotated[
        list[str] | None,
        typer.Option(
            "--set-space", metavar="KEY=VALUES", help="{low: 1e-4, high: 1e-2, log: true} or a list; repeatable."
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Recipes to try in all, those of earlier sessions included.")
    ] = None,
    runs: RunsOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Search better values for keys of a recipe, or go on searching: each trial is a run, and they share artefacts."""
    from headrace.cli.progress import show
    from headrace.pipeline import RunOptions
    from headrace.recipe import parse_override
    from headrace.search.request import read_request
    from headrace.search.tuning import search

    try:
        with show(quiet=as_json) as listener:
            options = RunOptions(runs=runs, recipe_folder=recipe.parent, listeners=(without_found(listener),))
            request = read_request(
                recipe,
                options,
                changes=dict(parse_override(change) for change in changes or ()),
                space=space,
                dimensions=dict(parse_override(dimension) for dimension in dimensions or ()),
                trials=trials,
            )
            found = search(request)
    except KeyboardInterrupt:
        raise StoppedError("stopped. Run the same command again to go on with this trial.") from None
    if as_json:
        print_json(describe(found))
    else:
        print_result(found)


def without_found(listener: "Listener") -> "Listener":
    """A listener that is not told of steps that were found: trials share most of them."""
    built = True

    def listen(record: "Record") -> None:
        nonlocal built
        if record.get("name") == "artefact":
            built = bool(record["built"])
        if built or record.get("name") != "step_ends":
            listener(record)

    return listen


def describe(found: "Search") -> dict[str, Any]:
    """A search for a script."""
    record = found.record.model_dump(mode="json")
    return {**record, "report": str(found.report), "study": str(found.folder.study_path)}


def print_result(found: "Search") -> None:
    """The trials, the keys that mattered, and where the rest is."""
    from rich.console import Console

    console, record = Console(highlight=False), found.record
    console.print(trial_table(record))
    for trial in [trial for trial in record.trials if trial.state == "failed"][-MOST_ERRORS:]:
        console.print(f"Failed: trial {trial.number}: {safe_text(trial.error)}", soft_wrap=True, markup=False)
    if record.importance:
        shares = ", ".join(f"{key} {share:.0%}" for key, share in record.importance.items())
        console.print(f"Mattered: {safe_text(shares)}", soft_wrap=True)
    if record.best_recipe is not None:
        console.print(f"Best:   trial {record.best}   (headrace run {safe_text(record.best_recipe)})", soft_wrap=True)
    console.print(f"Report: {found.report}", soft_wrap=True)


def trial_table(record: "SearchRecord") -> Any:
    """Trials, the best first, then those given up and failed."""
    from rich.table import Table

    from headrace.report.search import figure, parameter

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("trial", *record.space, record.metric, "seconds"):
        table.add_column(safe_text(title), justify="right", overflow="fold")
    table.add_column("state", no_wrap=True)
    sign = -1 if record.higher_is_better else 1
    ordered = sorted(record.trials, key=lambda trial: (trial.value is None, sign * (trial.value or 0), trial.number))
    for trial in ordered[:MOST_ROWS]:
        table.add_row(
            f"{trial.number}",
            *(safe_text(parameter(trial.parameters.get(key))) for key in record.space),
            figure(trial.value),
            "–" if trial.seconds is None else f"{trial.seconds:.1f}",
            trial.state,
        )
    if len(ordered) > MOST_ROWS:
        table.caption = f"{len(ordered) - MOST_ROWS} more in the report"
    return table
