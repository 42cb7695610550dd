"""`headrace convert`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """What can be written."""

    hf = "hf"
    gguf = "gguf"
    onnx = "onnx"


class Kind(StrEnum):
    """How a GGUF file stores its matrices."""

    f32 = "f32"
    f16 = "f16"
    q8_0 = "q8_0"


def register(app: typer.Typer) -> None:
    """Adds `convert`."""
    app.command(epilog="Example: headrace convert runs/quickstart model.gguf --type q8_0")(convert)


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A run, a folder of transformers or headrace, or a GGUF file.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="What to write: FOLDER, FILE.gguf or FILE.onnx.")],
    to: Annotated[Format | None, typer.Option("--to", help="Format. Left out: by the ending of OUT.")] = None,
    kind: Annotated[Kind | None, typer.Option("--type", help="How GGUF stores matrices. [default: f16]")] = None,
) -> None:
    """Write a model for another program: transformers, llama.cpp, ONNX runtimes."""
    from headrace.cli.terminal_text import safe_text
    from headrace.errors import UserError
    from headrace.models.convert import convert as convert_model
    from headrace.models.convert import format_of
    from headrace.pipeline import model_path

    chosen = to.value if to else format_of(target)
    if kind is not None and chosen != "gguf":
        raise UserError(f"--type {kind.value} is for GGUF; {chosen} is always written in float32. Leave it out.")
    told = convert_model(model_path(source), target, to=chosen, kind=(kind or Kind.f16).value)
    typer.echo(safe_text(told))
