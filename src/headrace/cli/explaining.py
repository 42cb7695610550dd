"""`headrace why`: what became of a document."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.arguments import JsonOption, RunArgument, open_folder, print_json
from headrace.cli.terminal_text import safe_text
from headrace.errors import InputError

if TYPE_CHECKING:
    from headrace.corpus.why import Explanation, Twin
    from headrace.store import RunFolder

FIRST_SCORES = ("similarity", "cluster_size")

SHOWN_DOCUMENTS = 10


def why(
    run: RunArgument,
    document: Annotated[
        str, typer.Argument(help="An id (6 digits suffice), the id it has in the raw file, a raw file, or FILE:OFFSET.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Say what became of a document, and why: rules it failed, its scores, the twin it repeats, what was cut."""
    folder = open_folder(run)
    found = _find(folder, document)
    if as_json:
        print_json([asdict(explanation) for explanation in found])
        return
    typer.echo("\n\n".join(_describe_document(explanation) for explanation in found[:SHOWN_DOCUMENTS]))
    if len(found) > SHOWN_DOCUMENTS:
        typer.echo(
            f"\n{len(found):,} documents and damaged records in all, {sum(each.kept for each in found):,} kept; "
            f"these are the first {SHOWN_DOCUMENTS}. Give an id or FILE:OFFSET for one, or --json for all."
        )


def _find(folder: "RunFolder", document: str) -> "list[Explanation]":
    """What is known of a document; of a few, in detail. Raises InputError."""
    from headrace.corpus.why import explain, with_details

    name = _name_of(document, Path(folder.read().recipe_folder))
    if folder.quarantine_path.exists() and (damaged := _find_damaged(folder, document, name)):
        return damaged
    curated = folder.artefact("curate")
    found: list[Explanation] = []
    try:
        found = explain(curated, document)
    except InputError as unknown:
        with suppress(InputError):
            found = explain(curated, name)
        if not found:
            raise unknown from None
    return found if len(found) > SHOWN_DOCUMENTS else [with_details(curated, each) for each in found]


def _find_damaged(folder: "RunFolder", *names: str) -> "list[Explanation]":
    """The damaged records of a run that stopped for them. Raises InputError if nothing else is known of the run."""
    from headrace.corpus.why import explain_damaged

    found = next((listed for name in names if (listed := explain_damaged(folder.quarantine_path, name))), [])
    if not found and not folder.artefacts("curate"):
        raise InputError(
            f'run {folder.path.name} stopped at damaged records, and none of them lies in "{names[0]}". '
            f"Give a file or FILE:OFFSET; all of them are in {folder.quarantine_path}."
        )
    return found


def _name_of(document: str, recipe_folder: Path) -> str:
    """What the ledger calls a raw file that is given by a path from here; anything else as it is."""
    path, colon, offset = document.rpartition(":")
    if not (colon and offset.isdecimal()):
        path, colon, offset = document, "", ""
    if not Path(path).is_file():
        return document
    return Path(os.path.relpath(path, recipe_folder)).as_posix() + colon + offset


def _describe_document(found: "Explanation") -> str:
    lines = [
        f"{found.id or 'damaged record'}  {_fate(found)}",
        f"  source    {found.source}",
        f"  lies in   {_one_line(found.file)}, {found.size_bytes:,} bytes from byte {found.offset:,}",
    ]
    if found.altered:
        lines.append(f"  copy      {found.altered.id}, altered by `{found.altered.method}`; scores are the original's")
    if found.duplicate_of:
        lines.append(f"  twin      {found.duplicate_of}, which was kept{_place_of(found.twin)}")
    for reason in found.reasons:
        values = ", ".join(f"{name} = {_number(value)}" for name, value in reason.scores.items())
        lines.append(f"  reason    {reason.name}" + (f": wants {reason.rule}; {values}" if reason.rule else ""))
    scores = _telling(found.scores)
    width = max(map(len, scores), default=0)
    lines += [f"  scores    {name:<{width}} {_number(value)}" for name, value in scores.items()]
    lines += [f"  cut       {line}" for line in _describe_removed(found)]
    lines.append("  text      " + safe_text(found.excerpt).replace("\n", "\n            "))
    return "\n".join(lines)


def _place_of(twin: "Twin | None") -> str:
    if twin is None:
        return ""
    return (f" in run {twin.run}" if twin.run else "") + f": {_one_line(twin.file)}:{twin.offset}"


def _describe_removed(found: "Explanation") -> Iterator[str]:
    """What was cut, a line each; a copy of it stays in the document itself or in another."""
    for part in found.removed:
        stays = f"; stays in {'this document' if part.copy_in == found.id else part.copy_in}" if part.copy_in else ""
        yield f"bytes {part.begin:,} to {part.end:,} of the text, by {part.cause}{stays}: {_one_line(part.excerpt)}"


def _one_line(text: str) -> str:
    """A text as it can be shown in a line."""
    return safe_text(text).replace("\n", "\N{SYMBOL FOR NEWLINE}")


def _fate(found: "Explanation") -> str:
    if not found.kept:
        return "dropped"
    return f"kept, in {found.split}" if found.scores.get("copies") != 0 else "kept, but left out by the mixture"


def _telling(scores: dict[str, Any]) -> dict[str, Any]:
    """The scores, those that say what the document is like first, without kinds of personal data that it lacks."""
    first = {name: scores[name] for name in FIRST_SCORES if name in scores}
    return first | {name: value for name, value in scores.items() if value or not name.startswith("redacted_")}


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
