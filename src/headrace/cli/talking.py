"""`headrace generate` and `headrace chat`."""

import os
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

RunArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A run, a folder of transformers or headrace, or a GGUF file.")
]
MaxTokens = Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")]
Temperature = Annotated[float, typer.Option(min=0, help="0 always takes the likeliest token; higher is more varied.")]
TopK = Annotated[int, typer.Option(min=0, help="Draw from this many likeliest tokens only; 0: from all.")]
TopP = Annotated[
    float, typer.Option(min=0.001, max=1, help="Draw from the likeliest tokens that hold this much probability.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**62, help="Same seed, same text.")]


def register(app: typer.Typer) -> None:
    """Adds `generate` and `chat`."""
    app.command(epilog='Example: headrace generate runs/quickstart --prompt "It is a truth" --temperature 0.7')(
        generate
    )
    app.command(epilog="Example: headrace chat runs/quickstart")(chat)


def generate(
    run: RunArgument,
    prompt: Annotated[str, typer.Option(help="Text to continue; `-` reads standard input.")],
    max_tokens: MaxTokens = 100,
    temperature: Temperature = 0.8,
    top_k: TopK = 50,
    top_p: TopP = 0.95,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print prompt and continuation as JSON.")] = False,
) -> None:
    """Continue a text, streaming to the terminal."""
    from headrace.cli.terminal_text import safe_text
    from headrace.pipeline import open_generator
    from headrace.serve import SamplingConfig

    model = open_generator(run)
    config = SamplingConfig(max_tokens=max_tokens, temperature=temperature, top_k=top_k or None, top_p=top_p)
    text = as_unicode(sys.stdin.buffer.read() if prompt == "-" else prompt)
    if as_json:
        import orjson

        continuation = model.generate(text, config, seed=seed)
        typer.echo(
            orjson.dumps({"prompt": text, "continuation": continuation, "seed": seed}, option=orjson.OPT_INDENT_2)
        )
        return
    typer.echo(safe_text(text), nl=False)
    for piece in model.stream(text, config, seed=seed):
        typer.echo(safe_text(piece), nl=False)
    typer.echo()


def chat(
    run: RunArgument,
    max_tokens: MaxTokens = 120,
    temperature: Temperature = 0.8,
    top_k: TopK = 50,
    top_p: TopP = 0.95,
    seed: Seed = 0,
) -> None:
    """Talk with a model, a line at a time. An empty line begins anew; Ctrl-D ends.

    A model that was only pretrained does not answer questions: it continues what stands there, your lines and its own.
    """
    from headrace.cli.terminal_text import safe_text
    from headrace.pipeline import open_generator
    from headrace.serve import SamplingConfig

    model = open_generator(run)
    config = SamplingConfig(max_tokens=max_tokens, temperature=temperature, top_k=top_k or None, top_p=top_p)
    typer.echo("The model continues what you write. An empty line begins anew, Ctrl-D ends.", err=True)
    history = ""
    for turn, line in enumerate(_lines()):
        if not line:
            history = ""
            typer.echo("(begun anew)", err=True)
            continue
        history += line
        for piece in model.stream(history, config, seed=seed + turn):
            history += piece
            typer.echo(safe_text(piece), nl=False)
        history += "\n"
        typer.echo()


def as_unicode(given: bytes | str) -> str:
    """The text that bytes or an argument stand for; what is not UTF-8 becomes the replacement character."""
    data = os.fsencode(given) if isinstance(given, str) else given
    return data.decode("utf-8", "replace")


def _lines() -> Iterator[str]:
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # whatever the locale, a bad byte does not end the talk
    while True:
        try:
            yield as_unicode(input("> " if sys.stdin.isatty() else ""))
        except (EOFError, KeyboardInterrupt):
            return
