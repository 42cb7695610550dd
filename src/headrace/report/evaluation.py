"""The sections about what the model is worth: loss on held-out text, and samples."""

from collections.abc import Mapping
from typing import Any

from headrace.report.blocks import Block, Cell, Chart, Column, Sample, Section, Table
from headrace.report.charts import NEUTRAL, Bar, bar_chart
from headrace.report.colours import PALETTE, name_colours, tell_apart
from headrace.report.material import Material, read_json
from headrace.report.wording import count, decimal, plural, size

MOST_BARS = 20
BEFORE = "bits_per_byte_before"

Figures = Mapping[str, Any]


def evaluation_section(material: Material) -> Section | None:
    """Bits per byte and perplexity, overall and by source and language."""
    result = read_json(material.evaluation, "evaluation.json") if material.evaluation else {}
    if not result:
        return None
    overall = result["overall"]
    lead = (
        f"Measured on {count(overall['documents'])} held-out documents ({size(overall['bytes'])}). Bits per byte "
        "compare across vocabularies; perplexity, per token, does not. Lower is better."
    )
    rows: list[tuple[Cell, ...]] = [_row("everything", "", overall)]
    blocks: list[Block] = []
    known = name_colours(material.curated.summary) if material.curated else {}
    for column in ("source", "language"):
        groups = _ordered(result[column])
        if len(groups) > 1:
            blocks.append(_chart(f"Bits per byte, by {column}", groups, overall, known=known))
        rows += [_row(column, name, figures) for name, figures in groups.items()]
    columns = (
        Column("Held-out text", "text"),
        Column("", "text"),
        Column("Bits per byte"),
        *([Column("before training")] if BEFORE in overall else []),
        Column("Perplexity"),
        Column("Nats per token"),
        Column("Documents"),
        Column("Size"),
        Column("Tokens"),
    )
    return Section("evaluation", "Evaluation", lead, (*blocks, Table(columns, tuple(rows))))


def _ordered(groups: Mapping[str, Figures]) -> dict[str, Figures]:
    return dict(sorted(groups.items(), key=lambda item: -item[1]["bytes"]))


def _chart(title: str, groups: Mapping[str, Figures], overall: Figures, *, known: Mapping[str, str]) -> Chart:
    shown = list(groups.items())[:MOST_BARS]
    colours = tell_apart([name for name, _ in shown[: len(PALETTE)]], known)
    everything = Bar("everything", overall["bits_per_byte"], decimal(overall["bits_per_byte"]), colour=NEUTRAL)
    bars = [
        Bar(name, figures["bits_per_byte"], decimal(figures["bits_per_byte"]), colour=colours.get(name, NEUTRAL))
        for name, figures in shown
    ]
    return bar_chart(title, [everything, *bars], unit="bits per byte")


def _row(group: str, name: str, figures: Figures) -> tuple[Cell, ...]:
    return (
        group,
        name,
        decimal(figures["bits_per_byte"]),
        *([decimal(figures[BEFORE])] if BEFORE in figures else []),
        decimal(figures["perplexity"], 2),
        decimal(figures["nats_per_token"]),
        count(figures["documents"]),
        size(figures["bytes"]),
        count(figures["tokens"]),
    )


def samples_section(material: Material) -> Section | None:
    """What the model writes."""
    samples = read_json(material.evaluation, "samples.json") if material.evaluation else []
    if not samples:
        return None
    blocks: tuple[Block, ...] = tuple(Sample(s["prompt"], s["continuation"], _settings(s)) for s in samples)
    lead = (
        "Each begins with a given prompt and goes on as the model does. One sample proves nothing; it shows the tone."
    )
    return Section("samples", "Samples", lead, blocks)


def _settings(sample: Mapping[str, Any]) -> str:
    names = {"temperature": "temperature", "top_k": "top k", "top_p": "top p", "seed": "seed"}
    given = [f"{label} {sample[name]}" for name, label in names.items() if sample.get(name) is not None]
    return " · ".join([*given, f"at most {plural(sample['max_tokens'], 'token')}"])
