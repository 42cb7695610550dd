"""What commands have in common: recipes with changes, the folder of runs, a run, and JSON for scripts."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from headrace.recipe import Recipe
    from headrace.store import RunFolder

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or its name in `runs`.")]
RecipeArgument = Annotated[Path, typer.Argument(help="A recipe in YAML.")]
ChangesOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the recipe; repeatable.")
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder of all runs.", envvar="HEADRACE_RUNS")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def open_folder(run: Path) -> "RunFolder":
    """The folder of a run, whether there is one or not; a bare name is looked for in the folder of runs too."""
    from headrace.store import RunFolder

    folder, by_name = RunFolder(run), RunFolder(Path(os.environ.get("HEADRACE_RUNS", "runs")) / run)
    return by_name if not folder.record_path.exists() and by_name.record_path.exists() else folder


def load_changed(recipe: Path, changes: list[str] | None) -> "Recipe":
    """A recipe with the values that `--set` replaces."""
    from headrace.recipe import load_recipe, parse_override

    return load_recipe(recipe, dict(parse_override(change) for change in changes or ()))


def print_json(value: Any) -> None:
    """Prints a value for a script."""
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
