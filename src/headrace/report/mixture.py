"""The section about the mixture: what each group of training documents is before, and what was made of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.report.blocks import Block, Column, Gauge, Section, Table
from headrace.report.charts import share_chart
from headrace.report.colours import name_colours
from headrace.report.material import Material
from headrace.report.wording import count, decimal, plural, share, size

MOST_ROWS = 100

Group = Mapping[str, Any]


def mixture_section(material: Material) -> Section | None:
    """Groups before and after."""
    summary = material.curated.summary if material.curated else {}
    groups: list[Group] = summary.get("mix", [])
    if not groups:
        return None
    before, after = (sum(group[f"bytes_{when}"] for group in groups) for when in ("before", "after"))
    documents, copies = (sum(group[name] for group in groups) for name in ("documents_after", "copies_after"))
    lead = (
        f"{size(before)} of training text became {size(after)}: {plural(documents, 'document')}, {count(copies)} with "
        "the repeated ones. Validation documents are used once, whatever the mixture."
    )
    ordered = sorted(groups, key=lambda group: (-group["bytes_after"], group["group"]))
    shares = {when: {group["group"]: group[f"bytes_{when}"] for group in ordered} for when in ("before", "after")}
    blocks: list[Block] = []
    if len(groups) > 1:
        blocks.append(share_chart("Shares of bytes, before and after", shares, known=name_colours(summary)))
    return Section("mixture", "Mixture", lead, (*blocks, _table(ordered)))


def _table(groups: Sequence[Group]) -> Table:
    columns = (
        Column("Group", "text"),
        Column("Documents"),
        Column("Size before"),
        Column("Share before"),
        Column("Used", hint="Different documents that are used"),
        Column("Copies", hint="Documents written, each as often as it is used"),
        Column("Size after"),
        Column("Share after"),
        Column("Epochs", hint="How often the group is gone through"),
        Column("Limited by", "text", hint="What kept the group below its share"),
    )
    rows = tuple(
        (
            group["group"],
            count(group["documents_before"]),
            size(group["bytes_before"]),
            Gauge(share(group["share_before"], 1), group["share_before"]),
            count(group["documents_after"]),
            count(group["copies_after"]),
            size(group["bytes_after"]),
            Gauge(share(group["share_after"], 1), group["share_after"]),
            decimal(group["epochs"], 2),
            group["limited_by"] or "–",
        )
        for group in groups[:MOST_ROWS]
    )
    note = "Sizes of documents as they were measured, before parts of them were cut."
    if len(groups) > MOST_ROWS:
        note = f"The {MOST_ROWS} largest of {count(len(groups))} groups. {note}"
    return Table(columns, rows, title="Groups", note=note)
