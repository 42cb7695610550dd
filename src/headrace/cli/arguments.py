"""What commands that look at a run have in common: its folder, and JSON for scripts."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from headrace.store import RunFolder

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or its name in `runs`.")]
RECORD = "run.json"
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def open_folder(run: Path) -> "RunFolder":
    """The folder of a run, whether there is one or not; a bare name is looked for in the folder of runs too."""
    from headrace.store import RunFolder

    by_name = Path(os.environ.get("HEADRACE_RUNS", "runs")) / run
    return RunFolder(by_name if not (run / RECORD).exists() and (by_name / RECORD).exists() else run)


def print_json(value: Any) -> None:
    """Prints a value for a script."""
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
