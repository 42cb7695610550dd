"""`headrace generate` and `headrace chat`."""

import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.arguments import print_json

if TYPE_CHECKING:
    from headrace.serve import SamplingConfig, TextGenerator

RunArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A run, a folder of transformers or headrace, or a GGUF file.")
]
MaxTokens = Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")]
Temperature = Annotated[float, typer.Option(min=0, help="0 always takes the likeliest token; higher is more varied.")]
TopK = Annotated[int, typer.Option(min=0, help="Draw from this many likeliest tokens only; 0: from all.")]
TopP = Annotated[
    float, typer.Option(min=0.001, max=1, help="Draw from the likeliest tokens that hold this much probability.")
]


class Precision(StrEnum):
    """What a model computes in."""

    fp32 = "fp32"
    bf16 = "bf16"
    auto = "auto"


PrecisionOption = Annotated[
    Precision, typer.Option(help="bf16 is quicker and rounds more; auto takes it where the processor multiplies in it.")
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
    prompt: Annotated[str | None, typer.Option(help="Text to continue; `-` reads standard input.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Continue each line of this file; prints a line of JSON for each.")
    ] = None,
    max_tokens: MaxTokens = 100,
    temperature: Temperature = 0.8,
    top_k: TopK = 50,
    top_p: TopP = 0.95,
    seed: Seed = 0,
    precision: PrecisionOption = Precision.fp32,
    as_json: Annotated[bool, typer.Option("--json", help="Print prompt and continuation as JSON.")] = False,
) -> None:
    """Continue a text, streaming to the terminal, or many texts side by side."""
    from headrace.errors import UserError
    from headrace.pipeline import open_generator
    from headrace.serve import SamplingConfig

    if (prompt is None) == (file is None):
        raise UserError("give either --prompt TEXT or --file FILE with a prompt on each line.")
    config = SamplingConfig(max_tokens=max_tokens, temperature=temperature, top_k=top_k or None, top_p=top_p)
    if file is not None:
        prompts = as_unicode(file.read_bytes()).splitlines()
        _continue_all(open_generator(run, precision=precision.value), prompts, config, seed=seed)
        return
    model = open_generator(run, precision=precision.value)
    text = as_unicode(sys.stdin.buffer.read() if prompt == "-" else prompt or "")
    if as_json:
        print_json({"prompt": text, "continuation": model.generate(text, config, seed=seed), "seed": seed})
        return
    _show([text])
    _show(model.stream(text, config, seed=seed))
    typer.echo()


def _continue_all(model: "TextGenerator", prompts: list[str], config: "SamplingConfig", *, seed: int) -> None:
    import orjson

    for prompt, continuation in zip(prompts, model.generate_all(prompts, config, seed=seed), strict=True):
        typer.echo(orjson.dumps({"prompt": prompt, "continuation": continuation, "seed": seed}))


def chat(
    run: RunArgument,
    max_tokens: MaxTokens = 120,
    temperature: Temperature = 0.8,
    top_k: TopK = 50,
    top_p: TopP = 0.95,
    seed: Seed = 0,
    precision: PrecisionOption = Precision.fp32,
) -> None:
    """Talk with a model, a line at a time. An empty line begins anew; Ctrl-D ends.

    A model that was tuned for it has a chat template, and answers. One that was only pretrained does not: it continues
    what stands there, your lines and its own.
    """
    from headrace.pipeline import open_generator
    from headrace.serve import SamplingConfig

    model = open_generator(run, precision=precision.value)
    config = SamplingConfig(max_tokens=max_tokens, temperature=temperature, top_k=top_k or None, top_p=top_p)
    does = "answers" if model.has_chat_template else "continues"
    typer.echo(f"The model {does} what you write. An empty line begins anew, Ctrl-D ends.", err=True)
    said: list[tuple[str, str]] = []
    for turn, line in enumerate(_lines()):
        if not line:
            said = []
            typer.echo("(begun anew)", err=True)
            continue
        said.append((line, _show(_next_turn(model, said, line, config=config, seed=seed + turn))))
        typer.echo()


def _next_turn(
    model: "TextGenerator", said: list[tuple[str, str]], line: str, *, config: "SamplingConfig", seed: int
) -> Iterator[str]:
    """What the model says to a line after all that was said."""
    if not model.has_chat_template:
        return model.stream("".join(f"{a}{b}\n" for a, b in said) + line, config, seed=seed)
    roles = ("user", "assistant")
    turns = [*(text for turn in said for text in turn), line]
    messages = [{"role": roles[number % 2], "content": text} for number, text in enumerate(turns)]
    return model.answer(messages, config, seed=seed)


def _show(pieces: Iterable[str]) -> str:
    """Prints pieces as they come; returns all of them."""
    from headrace.cli.terminal_text import safe_text

    shown = ""
    for piece in pieces:
        shown += piece
        typer.echo(safe_text(piece), nl=False)
    return shown


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
