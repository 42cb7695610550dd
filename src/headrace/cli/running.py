"""`headrace run`, and what it prints at the end."""

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.arguments import ChangesOption, RecipeArgument, RunArgument, RunsOption, load_changed, open_folder
from headrace.cli.terminal_text import safe_text
from headrace.errors import StoppedError

if TYPE_CHECKING:
    from headrace.pipeline import Run
    from headrace.store import Artefact

SIZE_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class Engine(StrEnum):
    """Where units of work are carried out."""

    LOCAL = "local"
    RAY = "ray"


def parse_size(text: str) -> int:
    """Bytes from a size as people write it: "8GB", "500 MB", "1e9"."""
    match = re.fullmatch(r"\s*([\d.]+(?:e\d+)?)\s*([KMGT]?)B?\s*", text, re.IGNORECASE)
    try:
        size_bytes = int(float(match[1]) * SIZE_UNITS[match[2].upper()]) if match else 0
    except (ValueError, OverflowError):
        size_bytes = 0
    if size_bytes <= 0:
        raise typer.BadParameter(f'"{text}" is no size; write it like 8GB or 500MB.')
    return size_bytes


SHOWN_REASONS = 3
SHOWN_LANGUAGES = 4
BEFORE = "bits_per_byte_before"


def register(app: typer.Typer) -> None:
    """Adds `run` and `upload`."""
    app.command(
        epilog="Example: headrace run examples/quickstart.yaml --set train.learning_rate=1e-3 --set name=second"
    )(run)
    app.command(epilog="Example: headrace upload runs/quickstart s3://bucket/tokens")(upload)


def run(
    recipe: RecipeArgument,
    changes: ChangesOption = None,
    runs: RunsOption = Path("runs"),
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes that train together on this machine.")] = 1,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that read and curate text. Default: one per core.")
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Where text is curated: on this machine, or as tasks of a Ray cluster.")
    ] = Engine.LOCAL,
    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster to use, such as host:6379. Default: one started on this machine.")
    ] = None,
    memory_limit: Annotated[
        int | None,
        typer.Option(parser=parse_size, metavar="SIZE", help="Memory that curation may take, such as 8GB."),
    ] = None,
    reread: Annotated[
        bool, typer.Option("--reread", help="Read raw files again even where size and time say nothing changed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, and no progress.")] = False,
) -> None:
    """Carry out a recipe, or what is left of it: finished steps are found, a killed run continues."""
    from headrace.cli.progress import show
    from headrace.pipeline import RunOptions, run_recipe

    loaded = load_changed(recipe, changes)
    try:
        with show(quiet=as_json) as listener:
            options = RunOptions(
                runs=runs,
                recipe_folder=recipe.parent,
                num_processes=processes,
                engine=engine.value,
                ray_address=ray_address,
                memory_limit_bytes=memory_limit,
                reread=reread,
                listeners=(listener,),
            )
            finished = run_recipe(loaded, options if workers is None else options.with_workers(workers))
    except KeyboardInterrupt:
        raise StoppedError("stopped. Run the same command again to continue.") from None
    if as_json:
        import orjson

        typer.echo(orjson.dumps(describe(finished), option=orjson.OPT_INDENT_2))
    else:
        print_result(finished)


def upload(
    run: RunArgument,
    url: Annotated[str, typer.Argument(help="Where to: s3://bucket/folder, gs://..., abfs://...")],
    storage: Annotated[
        list[str] | None,
        typer.Option("--storage", metavar="KEY=VALUE", help="Option of the driver, such as endpoint_url; repeatable."),
    ] = None,
) -> None:
    """Copy a run's tokens and vocabulary to an object store, for recipes that name them under `tokens.store`."""
    from headrace.cli.progress import show
    from headrace.pipeline.upload import upload_tokens
    from headrace.recipe import parse_override
    from headrace.trace import recording

    folder = open_folder(run)
    folder.read()
    with show(quiet=False) as listener, recording(folder.trace_path, [listener]):
        address = upload_tokens(folder, url, dict(parse_override(option) for option in storage or ()))
    typer.echo(f"tokens.store: {address}")


def describe(run: "Run") -> dict[str, Any]:
    """The result of a run for a script."""
    from headrace.cli.task_tables import task_as_json

    trained, evaluated = run.folder.artefacts("train"), run.folder.artefacts("evaluate")
    return {
        "run": str(run.path),
        "report": str(run.report),
        "model": str(run.path / "model") if trained else None,
        "evaluation": run.evaluation.details if _measured_text(evaluated) else None,
        "task": task_as_json(run.folder),
        "samples": [vars(sample) for sample in run.samples] if _made_samples(evaluated) else [],
        "steps": [
            {"step": record.label, "address": record.address, "seconds": artefact.manifest.seconds}
            for record, artefact in zip(run.folder.read().steps, run.folder.artefacts(), strict=True)
        ],
    }


def print_result(run: "Run") -> None:
    """Figures, samples and where the report is."""
    from rich.console import Console
    from rich.text import Text

    from headrace.cli.task_tables import print_task

    console = Console(highlight=False)
    print_task(run.folder, console)
    evaluated = run.folder.artefacts("evaluate")
    if _measured_text(evaluated):
        console.print(evaluation_table(run.evaluation.details))
    for sample in run.samples if _made_samples(evaluated) else ():
        console.print(Text.assemble((sample.prompt, "bold cyan"), safe_text(sample.continuation)), soft_wrap=False)
        console.print()
    for artefact in run.folder.artefacts("curate"):
        console.print(corpus_line(artefact.summary), soft_wrap=True)
    for artefact in run.folder.artefacts("tokens"):
        console.print(tokens_line(artefact.summary["train"]), soft_wrap=True)
    for artefact in run.folder.artefacts("train"):
        console.print(training_line(artefact.summary), soft_wrap=True)
    if run.folder.artefacts("train"):
        use = _use_of(run.folder.artefacts("train")[-1])
        shown = f"   (headrace {use} {run.path})" if use else ""
        console.print(f"Model:  {run.path / 'model'}{shown}", soft_wrap=True)
    console.print(f"Report: {run.report}", soft_wrap=True)


def _use_of(trained: "Artefact") -> str | None:
    """The command that a trained model answers to."""
    objective: Any = trained.manifest.config["stage"]["objective"]  # type: ignore[index,call-overload]  # by `train`
    name = objective["name"] if isinstance(objective, dict) else objective
    uses = {"causal": "chat", "causal_and_masked": "chat", "prefix_lm": "chat", "prefer": "chat"}
    return uses.get(name) or ("predict" if "examples" in trained.summary else None)


def _measured_text(evaluated: Sequence["Artefact"]) -> bool:
    """Whether the last evaluation measured bits per byte; that of a task may not have."""
    return bool(evaluated and evaluated[-1].summary and evaluated[-1].files("evaluation.json"))


def _made_samples(evaluated: Sequence["Artefact"]) -> bool:
    return bool(evaluated and evaluated[-1].files("samples.json"))


def corpus_line(summary: dict[str, Any]) -> str:
    """How many documents stayed, and for what most of the others went."""
    gone = sorted(summary["funnel"], key=lambda step: -step["dropped_first"])[:SHOWN_REASONS]
    reasons = ", ".join(f"{step['dropped_first']:,} {step['reason']}" for step in gone if step["dropped_first"])
    gone_for = f" (most others went for: {reasons})" if reasons else ""
    if summary["used"] != summary["kept"]:
        gone_for += f"; the mixture uses {summary['used']:,} of them, {summary['copies']:,} with copies"
    damaged = f"; {summary['quarantined']:,} damaged records" if summary["quarantined"] else ""
    return f"Corpus: {summary['kept']:,} of {summary['seen']:,} documents kept{gone_for}{damaged}"


def tokens_line(counts: dict[str, Any]) -> str:
    """How many tokens the training text became, and how well the vocabulary fits each language."""

    def fit(part: dict[str, Any]) -> str:
        covered = 1 - part["single_bytes"] / max(1, part["bytes"])
        return f"{part['bytes'] / max(1, part['tokens']):.2f} bytes each, {covered:.1%} of the text in longer ones"

    languages = sorted(counts.get("language", {}).items(), key=lambda pair: -pair[1]["bytes"])
    shown = languages[:SHOWN_LANGUAGES] if len(languages) > 1 else []
    each = "".join(f"; {safe_text(name)}: {fit(part)}" for name, part in shown)
    others = f"; {len(languages) - len(shown)} other languages" if 0 < len(shown) < len(languages) else ""
    return f"Tokens: {counts['tokens']:,}, {fit(counts)}{each}{others}"


def training_line(summary: dict[str, Any]) -> str:
    """Speed of a training stage, how much of the machine that is, and what waiting for data cost."""
    numerics, waited = summary["numerics"], summary["wait_seconds"]
    length = f"{summary['tokens']:,} tokens" if "tokens" in summary else _examples(summary)
    return (
        f"Training: {length} at {summary['tokens_per_second']:,.0f} tokens/s "
        f"(median step {summary['median_tokens_per_second']:,.0f}), {summary['share_of_peak']:.0%} "
        f"(median {summary['median_share_of_peak']:.0%}) of the {summary['peak_gflops']:,.0f} GFLOP/s measured for "
        f"{numerics['precision']} products; waited {waited:.2f} s for data ({waited / summary['step_seconds']:.1%})"
    )


def _examples(summary: dict[str, Any]) -> str:
    """How many examples were learnt from, how fast, and what was cut off or padded."""
    examples, cut = summary["examples"], summary["truncated"].get("train", 0)
    kept = f"; {cut:,} of {summary['examples_per_split']['train']:,} cut to the longest allowed" if cut else ""
    return (
        f"{examples:,} examples ({examples / summary['step_seconds']:,.1f} a second, "
        f"{summary['padded_share']:.1%} padding{kept})"
    )


def evaluation_table(details: dict[str, Any]) -> Any:
    """Bits per byte and perplexity: all held-out documents, then per source and language."""
    from rich.table import Table

    table = Table("held-out documents", title=None, box=None, pad_edge=False, header_style="bold")
    has_before = BEFORE in details["overall"]
    for title in ("documents", "kB", "bits per byte", *(["before"] if has_before else []), "perplexity"):
        table.add_column(title, justify="right")
    rows = [("all", details["overall"])]
    rows += [
        (f"{group} {name}", figures) for group in ("source", "language") for name, figures in details[group].items()
    ]
    for name, figures in rows:
        table.add_row(
            name,
            f"{figures['documents']:,}",
            f"{figures['bytes'] / 1e3:,.0f}",
            f"{figures['bits_per_byte']:.3f}",
            *([f"{figures[BEFORE]:.3f}"] if has_before else []),
            f"{figures['perplexity']:,.1f}",
        )
    return table
