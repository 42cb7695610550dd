"""The command `headrace`: its groups, and how errors leave it."""

import errno
import gc
import logging
import os
import sys
from typing import Annotated, NoReturn

import typer

from headrace.cli import converting, corpus, harness, inspection, predicting, rates, recipes, running, talking, tuning
from headrace.errors import HeadraceError
from headrace.version import VERSION

PATH_ERRORS = (
    errno.EACCES,
    errno.EEXIST,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)
OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Importing makes hundreds of thousands of objects that all stay; Python would look through them for 0.3 s."""

app = typer.Typer(
    name="headrace",
    help="From raw text to a language model that answers. Start with: headrace run examples/quickstart.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (running, rates, tuning, talking, predicting, converting, harness, inspection):
    group.register(app)
app.add_typer(recipes.app, name="recipe")
app.add_typer(corpus.app, name="corpus")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headrace {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: ARG001  (its callback does the work)
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")


def main() -> None:
    """Runs the command line. Every error of ours is one message and an exit code; anything else is a defect."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        app()
    except HeadraceError as error:
        leave(str(error), error.exit_code)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            leave("the disk is full. What was finished is kept: free some space (see `headrace gc`) and run again.", 1)
        if error.errno not in PATH_ERRORS:
            raise
        leave(f"{error.filename}: {error.strerror}. Give another place, or change who may write there.", 2)


def leave(message: str, code: int) -> NoReturn:
    """Prints a message to standard error and ends the process."""
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    print(f"\033[1;31merror:\033[0m {message}" if colour else f"error: {message}", file=sys.stderr)
    sys.exit(code)
