"""Commands that look at what is there: ls, show, trace, report, check, gc."""

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli import explaining
from headrace.cli.arguments import JsonOption, RunArgument, RunsOption, open_folder, print_json
from headrace.cli.terminal_text import safe_text
from headrace.errors import InputError, StoreError

if TYPE_CHECKING:
    from headrace.store import Artefact, RunFolder, Store


def register(app: typer.Typer) -> None:
    """Adds the commands that look at what is there."""
    app.command("ls", epilog="Example: headrace ls --json")(list_all)
    app.command(epilog="Example: headrace show runs/quickstart")(show)
    app.command(epilog="Example: headrace why runs/quickstart data/poems/tang.jsonl.zst:88335")(explaining.why)
    app.command(epilog="Example: headrace trace runs/quickstart 100:3")(trace)
    app.command(epilog="Example: headrace report runs/quickstart")(report)
    app.command(epilog="Example: headrace check runs/quickstart")(check)
    app.command(epilog="Example: headrace gc --dry-run")(gc)


def list_all(runs: RunsOption = Path("runs"), as_json: JsonOption = False) -> None:
    """List all runs: how far they came, and what they measured."""
    from headrace.store import list_runs

    rows = [_describe_run(run) for run in list_runs(runs)]
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo(f"no runs in {runs}. Start one: headrace run examples/quickstart.yaml")
        return
    _print_table(
        ["run", "state", "documents", "tokens", "parameters", "bits per byte"],
        [
            [
                row["name"],
                row["state"],
                *(_count(row[key]) for key in ("documents", "tokens", "parameters")),
                _figure(row),
            ]
            for row in rows
        ],
    )


def show(run: RunArgument, as_json: JsonOption = False) -> None:
    """Show a run's steps: their artefacts, sizes and times."""
    folder = open_folder(run)
    record = folder.read()
    steps = [_describe_step(step.label, step.address, folder) for step in record.steps]
    if as_json:
        print_json({"name": record.name, "finished": record.finished, "steps": steps, "recipe": record.recipe})
        return
    typer.echo(
        f"run {record.name}: {'finished' if record.finished else 'not finished; run its recipe again to continue'}\n"
    )
    if folder.quarantine_path.exists():
        typer.echo(f"It stopped at damaged records: see `headrace why {run} FILE`, and {folder.quarantine_path}\n")
    rows = [
        [s["step"], s["address"], s["state"], f"{s['files']}", f"{s['size_bytes'] / 1e6:,.1f}", f"{s['seconds']:,.1f}"]
        for s in steps
    ]
    _print_table(["step", "artefact", "state", "files", "MB", "seconds"], rows)


def trace(
    run: RunArgument,
    sample: Annotated[str, typer.Argument(metavar="STEP[:ROW]", help="A training step, and a row of its batch.")],
    stage: Annotated[int, typer.Option("--stage", help="Which training stage, from 0.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Say what a training step saw: the documents in its rows, and the raw files and bytes they came from."""
    from headrace.pipeline.tracing import trace_step

    step, _, row = sample.partition(":")
    if not step.isdecimal() or (row and not row.isdecimal()):
        raise InputError(f'"{sample}" is no sample: give STEP or STEP:ROW, for example 100 or 100:3.')
    rows = trace_step(open_folder(run), int(step), place=int(row) if row else None, stage=stage)
    if as_json:
        print_json([asdict(each) for each in rows])
        return
    for each in rows:
        typer.echo(f"row {each.place}")
        for piece in each.pieces:
            file = safe_text(piece.file).replace("\n", "\N{SYMBOL FOR NEWLINE}") or "a file that no ledger names"
            tokens = f"tokens {piece.first_token:,} to {piece.first_token + piece.num_tokens - 1:,}"
            typer.echo(f"  {piece.document}  {tokens}")
            typer.echo(f"    {piece.source}: {file}, {piece.size_bytes:,} bytes from byte {piece.offset:,}")


def report(run: RunArgument) -> None:
    """Build a run's report anew and print where it is, below the figures of its task if it has one."""
    from rich.console import Console

    from headrace.cli.task_tables import print_task
    from headrace.report.html import build_report

    folder = open_folder(run)
    folder.read()
    print_task(folder, Console(highlight=False))
    typer.echo(build_report(folder))


def check(run: RunArgument, as_json: JsonOption = False) -> None:
    """Read every byte of a run's artefacts and compare it with its checksum. Exit code 1 if any differs."""
    folder = open_folder(run)
    problems = {}
    for step in folder.read().steps:
        artefact = folder.store.find(step.address)
        problems[step.address] = artefact.problems() if artefact else [f"{step.address}: the artefact is missing."]
    found = [problem for listed in problems.values() for problem in listed]
    if as_json:
        print_json({"ok": not found, "artefacts": problems})
        raise typer.Exit(1 if found else 0)
    if found:
        listed = "\n".join(f"  {problem}" for problem in found)
        raise StoreError(
            f"{len(found)} damaged or missing:\n{listed}\nRun `headrace gc --damaged`, then the recipe again."
        )
    typer.echo(f"{len(problems)} artefacts, every checksum agrees.")


def gc(
    runs: RunsOption = Path("runs"),
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Remove artefacts whose checksums disagree, too (reads all bytes).")
    ] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Remove the work of interrupted steps, too: they would begin anew.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove artefacts that no run needs. Refused while a run is working."""
    from headrace.store import RunFolder, Store, list_runs
    from headrace.store.run_folder import STORE_NAME

    store = Store(runs / STORE_NAME)
    with ExitStack() as quiet:
        for lock in sorted(runs.glob("*/.lock")):
            quiet.enter_context(RunFolder(lock.parent).held())
        wanted = [step.address for run in list_runs(runs) for step in run.read().steps]
        paths = [*store.garbage(wanted), *(store.unfinished() if unfinished else ())]
        if damaged:
            paths += [found.path for found in store.artefacts() if found.path not in paths and found.problems()]
        removed = _remove(store, paths, dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, "removed": removed})
        return
    for entry in removed:
        typer.echo(f"{'would remove' if dry_run else 'removed'} {entry['path']} ({entry['size_bytes'] / 1e6:,.1f} MB)")
    typer.echo(f"{len(removed)} folders, {sum(entry['size_bytes'] for entry in removed) / 1e6:,.1f} MB")


def _remove(store: "Store", paths: list[Path], *, dry_run: bool) -> list[dict[str, Any]]:
    """Removes folders of a store, or would; returns their paths and sizes."""
    removed: list[dict[str, Any]] = []
    for path in paths:
        size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        if dry_run or store.remove(path):
            removed.append({"path": str(path), "size_bytes": size_bytes})
    return removed


def _describe_run(run: "RunFolder") -> dict[str, Any]:
    record = run.read()
    found: dict[str, Artefact] = {artefact.manifest.step: artefact for artefact in run.artefacts()}
    summaries = {step: artefact.summary for step, artefact in found.items()}
    return {
        "name": record.name,
        "path": str(run.path),
        "state": "finished" if record.finished else "unfinished",
        "documents": summaries.get("curate", {}).get("kept"),
        "tokens": summaries.get("tokens", {}).get("train", {}).get("tokens"),
        "parameters": summaries.get("train", {}).get("parameters"),
        "bits_per_byte": summaries.get("evaluate", {}).get("bits_per_byte"),
    }


def _describe_step(label: str, address: str, folder: "RunFolder") -> dict[str, Any]:
    artefact = folder.store.find(address)
    if artefact is None:
        return {
            "step": label,
            "address": address,
            "state": "missing",
            "files": 0,
            "size_bytes": 0,
            "seconds": 0.0,
            "summary": {},
        }
    manifest = artefact.manifest
    return {
        "step": label,
        "address": address,
        "state": "published",
        "files": len(manifest.files),
        "size_bytes": artefact.size_bytes,
        "seconds": manifest.seconds,
        "path": str(artefact.path),
        "created": manifest.created,
        "summary": manifest.summary,
    }


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _figure(row: dict[str, Any]) -> str:
    return "" if row["bits_per_byte"] is None else f"{row['bits_per_byte']:.3f}"


def _print_table(titles: list[str], rows: list[list[str]]) -> None:
    """Columns aligned: the first three left, numbers right."""
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
    for row in [titles, *rows]:
        cells = [
            cell.ljust(width) if i < len(row) - 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())
