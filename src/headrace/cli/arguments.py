"""What commands that look at a run have in common: its folder, and JSON for scripts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from headrace.store import RunFolder

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def open_folder(run: Path) -> "RunFolder":
    """The folder of a run, whether there is one or not."""
    from headrace.store import RunFolder

    return RunFolder(run)


def print_json(value: Any) -> None:
    """Prints a value for a script."""
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
