"""`headrace predict`."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from headrace.cli.talking import as_unicode

COLUMN = "OURS=THEIRS"


def register(app: typer.Typer) -> None:
    """Adds `predict`."""
    app.command(epilog="Example: headrace predict runs/spam mails.jsonl > answers.jsonl")(predict)


def predict(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A run that learnt from examples, or the folder of its model.")
    ],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Records, or lines of text; `-` reads lines from standard input.")
    ] = "-",
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar=COLUMN, help="What the file calls one of our columns: text=body; repeatable."),
    ] = None,
    beams: Annotated[int, typer.Option(min=1, max=64, help="Of what is written, how many ways are followed.")] = 1,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest text that is written, in tokens.")] = 128,
) -> None:
    """Classify, tag, translate or answer: one line of JSON for each record, with the record's own columns."""
    import orjson

    from headrace.pipeline.result import open_predictor
    from headrace.serve.predictions import input_column, predict
    from headrace.serve.writing import WritingConfig

    predictor = open_predictor(model)
    records = _records(file, columns or [], column=input_column(predictor))
    for answered in predict(predictor, records, config=WritingConfig(max_tokens=max_tokens, beams=beams)):
        sys.stdout.buffer.write(orjson.dumps(answered, default=str) + b"\n")
        sys.stdout.flush()


def _records(file: str, columns: list[str], *, column: str) -> Iterator[Mapping[str, Any]]:
    """Records of a file of examples, or its lines as texts."""
    if file == "-":
        return ({_text_name(column): line} for line in as_unicode(sys.stdin.buffer.read()).splitlines() if line)
    from headrace.errors import UserError
    from headrace.examples.find import find_inputs
    from headrace.examples.read import read_inputs

    pairs = [name.partition("=") for name in columns]
    if wrong := [ours for ours, equals, _ in pairs if not equals]:
        raise UserError(f"--column {wrong[0]}: wanted {COLUMN}, such as text=body.")
    path = Path(file)
    if path.suffix == ".txt":
        return ({_text_name(column): line} for line in as_unicode(path.read_bytes()).splitlines() if line)
    names = {ours: theirs for ours, _, theirs in pairs}
    return (record for _, record in read_inputs(find_inputs(path), names))


def _text_name(column: str) -> str:
    """What a line is called: a sentence to tag is a text, until it is cut into words."""
    return "text" if column == "tokens" else column
