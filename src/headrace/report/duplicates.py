"""The section about what repeats itself: clusters of documents that are alike, and text that was cut out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.corpus.reasons import DUPLICATE, NEAR_DUPLICATE, SAME_MEANING
from headrace.report.blocks import Block, Column, Fact, Facts, Section, Table
from headrace.report.charts import DUPLICATED, Bar, bar_chart
from headrace.report.material import Material
from headrace.report.wording import count, plural, share, size
from headrace.store import Artefact

if TYPE_CHECKING:
    from headrace.report.clusters import Cluster, Clusters

LABELS = {
    DUPLICATE: "Equal documents dropped",
    NEAR_DUPLICATE: "Near duplicates dropped",
    SAME_MEANING: "Same in meaning",
}
SIZE_CLASSES = ((2, 2), (3, 3), (4, 4), (5, 9), (10, 19), (20, 99), (100, 999), (1000, None))
"""Least and greatest number of documents in a cluster."""

Counts = Mapping[str, Any]


def duplicates_section(material: Material) -> Section | None:
    """Clusters, and bytes that were cut out of kept documents."""
    curated = material.curated
    if curated is None or not (curated.summary.get("clusters") or curated.summary.get("removed_bytes")):
        return None
    blocks: list[Block] = [Facts(_facts(curated.summary)), *_clusters(curated)]
    lead = (
        "Documents that are alike make a cluster, of which one stays. Parts that repeat themselves, that stand in "
        "evaluation sets or that a rule takes for no text are cut out of the documents that stay."
    )
    return Section("duplicates", "Duplicates and cuts", lead, tuple(blocks))


def _facts(summary: Counts) -> tuple[Fact, ...]:
    facts = [Fact("Clusters", count(summary["clusters"]), note="of two documents or more")]
    dropped = {step["reason"]: step["dropped_first"] for step in summary["funnel"]}
    for reason, label in LABELS.items():
        if number := dropped.get(reason):
            facts.append(Fact(label, count(number), note=f"{share(number, summary['seen'])} of all documents"))
    kept_bytes = sum(counts["bytes"] for counts in summary["sources"].values())
    note = f"{share(summary['removed_bytes'], kept_bytes)} of the documents that are kept"
    return (*facts, Fact("Cut out", size(summary["removed_bytes"]), note=note))


def _clusters(curated: Artefact) -> list[Block]:
    if not curated.summary["clusters"]:
        return []
    from headrace.report.clusters import read_clusters  # here because pyarrow takes longer than most pages

    clusters = read_clusters(curated.files("ledger-*.parquet"))
    return [_sizes_chart(clusters), _largest_table(clusters.largest)]


def _sizes_chart(clusters: "Clusters") -> Block:
    bars = []
    for least, greatest in SIZE_CLASSES:
        numbers = {
            cluster_size: number
            for cluster_size, number in clusters.num_by_size.items()
            if least <= cluster_size and (greatest is None or cluster_size <= greatest)
        }
        if numbers:
            dropped = sum((cluster_size - 1) * number for cluster_size, number in numbers.items())
            text = f"{plural(sum(numbers.values()), 'cluster')}, {count(dropped)} dropped"
            bars.append(Bar(_class_name(least, greatest), sum(numbers.values()), text, colour=DUPLICATED))
    return bar_chart("Clusters, by how many documents are alike", bars, unit="clusters")


def _class_name(least: int, greatest: int | None) -> str:
    if greatest is None:
        return f"{count(least)} or more"
    return count(least) if least == greatest else f"{count(least)} to {count(greatest)}"


def _largest_table(largest: "Sequence[Cluster]") -> Table:
    columns = (
        Column("Documents", hint="How many are alike, the one that stays counted"),
        Column("Source", "text"),
        Column("The one that stays", "code", hint="File and byte offset"),
        Column("Size"),
        Column("Id", "code"),
    )
    rows = tuple(
        (
            count(cluster.cluster_size),
            cluster.source,
            f"{cluster.file}:{cluster.offset}",
            size(cluster.num_bytes),
            cluster.id,
        )
        for cluster in largest
    )
    note = "The command headrace why shows the text of a document, given the run and its id."
    return Table(columns, rows, title="The largest clusters", note=note)
