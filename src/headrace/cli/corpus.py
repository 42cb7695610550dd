"""Commands about a curated corpus: what its rules do, and what others would."""

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.arguments import JsonOption, RunArgument, open_folder
from headrace.cli.terminal_text import safe_text

if TYPE_CHECKING:
    from headrace.corpus.decide.what_if import Effect, WhatIf

app = typer.Typer(help="Look into a curated corpus.", no_args_is_help=True)

SHOWN_CHARACTERS = 100
LEAST_COLUMNS = 40
NO_BREAK = "\N{NO-BREAK SPACE}"


@app.callback()
def _group() -> None:
    """Keeps `what-if` a command of its own while it is the only one."""


@app.command(
    "what-if", epilog='Example: headrace corpus what-if runs/quickstart --preset fineweb2 --rule "num_words >= 20"'
)
def what_if(
    run: RunArgument,
    preset: Annotated[list[str] | None, typer.Option(help="Rules to try in place of the recipe's; repeatable.")] = None,
    rule: Annotated[
        list[str] | None, typer.Option(help="A further rule, such as 'num_words >= 20'; repeatable.")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="Name of a rule to leave out; repeatable.")] = None,
    examples: Annotated[int, typer.Option(min=0, help="Examples of what each rule alone would drop.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Show what every rule drops: alone, on the margin, and all together. Nothing is measured or changed."""
    from headrace.corpus.decide.trial import try_rules

    found = try_rules(
        open_folder(run).artefact("curate"),
        presets=preset or (),
        rules=rule or (),
        without=without or (),
        num_examples=examples,
    )
    if as_json:
        import orjson

        typer.echo(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2))
        return
    _print_table(found)
    for effect in found.effects:
        _print_examples(effect)


def _print_table(found: "WhatIf") -> None:
    """A line of figures for every rule that drops something, what it keeps below; the other rules in one line."""
    dropping = [effect for effect in found.effects if effect.documents]
    idle = [effect.reason for effect in found.effects if not effect.documents]
    width = max((len(effect.reason) for effect in dropping), default=len("rule"))  # whole, to copy after --without
    columns = shutil.get_terminal_size().columns
    if dropping:
        titles = f"{'rule':<{width}}  {'alone':>9}  {'':>6}  {'margin':>9}  {'MB':>8}"
        typer.echo(typer.style(titles, bold=True) + typer.style("\n    keeps documents where", dim=True))
    for effect in dropping:
        typer.echo(
            f"{effect.reason:<{width}}  {effect.documents:>9,}  {_share(effect.documents, found.documents):>6}  "
            f"{effect.margin_documents:>9,}  {effect.margin_bytes / 1e6:>8,.2f}"
        )
        if effect.conditions != (effect.reason,):
            typer.echo(typer.style(_wrapped([f"{rule};" for rule in effect.conditions], columns), dim=True))
    if idle:
        typer.echo(_wrapped(["dropped nothing:", *(f"{reason}," for reason in idle)], columns, indent=0))
    typer.echo(
        f"\ntogether they drop {found.dropped_documents:,} of {found.documents:,} documents "
        f"({_share(found.dropped_documents, found.documents)}), {found.dropped_bytes / 1e6:,.1f} of "
        f"{found.bytes / 1e6:,.1f} MB.\n"
        + typer.style("alone: fails the rule, whatever else it fails; margin: fails only it.", dim=True)
    )


def _wrapped(phrases: Sequence[str], columns: int, *, indent: int = 4) -> str:
    """Lines that fit a terminal, cut between phrases only, so that names and conditions stay whole."""
    space = " " * indent
    filled = textwrap.fill(
        " ".join(phrase.replace(" ", NO_BREAK) for phrase in phrases).rstrip(",;"),
        max(columns, LEAST_COLUMNS),
        initial_indent=space,
        subsequent_indent=space,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(NO_BREAK, " ")


def _print_examples(effect: "Effect") -> None:
    for example in effect.examples:
        text = safe_text(" ".join(str(example["text"]).split()))[:SHOWN_CHARACTERS]
        columns = {name: value for name, value in example.items() if name not in SHOWN_ELSEWHERE}
        values = ", ".join(f"{name} = {_figure(value)}" for name, value in columns.items())
        place = f"{example['id'][:12]}  {safe_text(example['file'])}:{example['offset']}"
        typer.echo(f"\n{effect.reason}: {values}\n  {place}\n  {text}")


SHOWN_ELSEWHERE = frozenset(("id", "source", "file", "offset", "text", "shard", "num_bytes", "language"))


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0 %"
