"""`headrace find-rate`: a learning rate for a recipe's first stage."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.arguments import ChangesOption, RecipeArgument, RunsOption, load_changed
from headrace.errors import StoppedError

SHOWN_ROWS = 20


def register(app: typer.Typer) -> None:
    """Adds `find-rate`."""
    app.command("find-rate", epilog="Example: headrace find-rate examples/quickstart.yaml --steps 200")(find_rate)


def find_rate(
    recipe: RecipeArgument,
    changes: ChangesOption = None,
    runs: RunsOption = Path("runs"),
    lowest: Annotated[float, typer.Option(min=0.0, help="Learning rate of the first step.")] = 1e-5,
    highest: Annotated[float, typer.Option(min=0.0, help="Learning rate of the last step.")] = 1.0,
    steps: Annotated[int, typer.Option(min=20, help="Steps from one to the other.")] = 150,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON, and no progress.")] = False,
) -> None:
    """Suggest a learning rate: train for some steps under a rising one, and see where the loss no longer falls."""
    import orjson

    from headrace.cli.progress import show
    from headrace.pipeline import RunOptions
    from headrace.pipeline.run import run_sweep
    from headrace.train.sweep_config import SweepConfig

    loaded = load_changed(recipe, changes)
    if not lowest < highest:
        raise typer.BadParameter(f"{lowest:g} is not below --highest {highest:g}.", param_hint="--lowest")
    sweep = SweepConfig(lowest=lowest, highest=highest, steps=steps)
    try:
        with show(quiet=as_json) as listener:
            options = RunOptions(runs=runs, recipe_folder=recipe.parent, listeners=(listener,))
            found = run_sweep(loaded, options, sweep)
    except KeyboardInterrupt:
        raise StoppedError("stopped. Run the same command again to begin anew.") from None
    table = orjson.loads((found.path / "rates.json").read_bytes())
    if as_json:
        typer.echo(orjson.dumps(table, option=orjson.OPT_INDENT_2))
        return
    rows = table["rates"]
    typer.echo(f"{'rate':>10}{'loss':>9}{'smoothed':>10}")
    for row in rows[:: max(1, len(rows) // SHOWN_ROWS)]:
        typer.echo(f"{row['rate']:>10.2e}{row['loss']:>9.3f}{row['smoothed']:>10.3f}")
    typer.echo(
        f"The loss fell fastest at {table['steepest_rate']:.2g} and was lowest at {table['lowest_loss_rate']:.2g}.\n"
        f"Suggested: train.learning_rate={table['suggested_rate']:g}   (table: {found.path / 'rates.json'})"
    )
