"""The sections about the run itself: what each step took, what it left, and what it was all made from."""

import yaml

from headrace.report.blocks import Block, Cell, Column, Gauge, Listing, Section, Table
from headrace.report.charts import Bar, bar_chart
from headrace.report.colours import PALETTE
from headrace.report.material import Material
from headrace.report.wording import count, duration, share, size

MOST_BARS = 30


def steps_section(material: Material) -> Section | None:
    """Time and space of every step."""
    if not material.artefacts:
        return None
    labels = {step.address: step.label for step in material.steps}
    timed = [(labels[artefact.address], artefact.manifest.seconds) for artefact in material.artefacts]
    if len(timed) > MOST_BARS:
        timed = sorted(timed, key=lambda item: -item[1])[:MOST_BARS]
    bars = [Bar(label, seconds, duration(seconds), colour=PALETTE[0]) for label, seconds in timed]
    lead = (
        "Wall time of each step and what it left. A step whose inputs and settings are unchanged is never done again."
    )
    blocks: tuple[Block, ...] = (bar_chart("Time per step", bars, unit="seconds"), _artefacts_table(material))
    return Section("steps", "Steps and artefacts", lead, blocks)


def _artefacts_table(material: Material) -> Table:
    columns = (
        Column("Step", "text"),
        Column("Artefact", "code"),
        Column("Time"),
        Column("Share of time"),
        Column("Size"),
        Column("Files"),
        Column("Made (UTC)", "text"),
    )
    total = material.total_seconds
    rows: list[tuple[Cell, ...]] = []
    for step in material.steps:
        if step.artefact is None:
            rows.append((step.label, step.address, "–", "–", "–", "–", "no longer in the store"))
            continue
        manifest = step.artefact.manifest
        gauge = Gauge(share(manifest.seconds, total), manifest.seconds / total if total else 0.0)
        made = manifest.created[:16].replace("T", " ")
        num_files = count(len(manifest.files))
        rows.append(
            (
                step.label,
                step.address,
                duration(manifest.seconds),
                gauge,
                size(step.artefact.size_bytes),
                num_files,
                made,
            )
        )
    note = (
        "Artefacts lie in the folder `store` beside this run; each has a manifest.json with the SHA-256 of every file."
    )
    return Table(columns, tuple(rows), title="Artefacts", note=note)


def recipe_section(material: Material) -> Section:
    """What was asked for, and by which versions it was done."""
    recipe = yaml.safe_dump(material.record.recipe, allow_unicode=True, sort_keys=False, width=100)
    blocks: list[Block] = [Listing("Recipe, defaults filled in", recipe)]
    if versions := material.record.versions:
        columns = (Column("Part", "text"), Column("Version", "code"))
        blocks.append(Table(columns, tuple(versions.items()), title="Versions"))
    lead = f"Paths in the recipe are relative to {material.record.recipe_folder}."
    return Section("recipe", "Recipe and versions", lead, tuple(blocks))
