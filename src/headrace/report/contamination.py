"""The section about evaluation sets: which of their items stood in the corpus, and where."""

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.corpus.reasons import CONTAMINATED
from headrace.report.blocks import Block, Column, Gauge, Note, Quotation, Quotations, Section, Table
from headrace.report.material import Material, read_json
from headrace.report.wording import count, plural, share, shorten
from headrace.store import Artefact

EXAMPLES_PER_SET = 5
EXAMPLE_CHARACTERS = 60

Counts = Mapping[str, Any]


def contamination_section(material: Material) -> Section | None:
    """Evaluation sets that were looked for, found or not."""
    curated = material.curated
    sets = curated.summary.get("contamination") if curated else None
    if curated is None or not sets:
        return None
    dropped = sum(step["dropped_first"] for step in curated.summary["funnel"] if step["reason"] == CONTAMINATED)
    was = "was" if dropped == 1 else "were"
    lead = (
        "Every document that had passed was searched for parts of evaluation items. "
        f"{plural(dropped, 'document')} {was} dropped for it"
        f"{'; out of the others, what was found was cut' if _cuts(curated) else ''}."
    )
    return Section("contamination", "Contamination", lead, (_table(sets), *_examples(curated, sets)))


def _cuts(curated: Artefact) -> bool:
    """Whether passages were to go, and whole documents only where little would be left."""
    corpus = curated.manifest.config.get("corpus")
    config = corpus.get("decontaminate") if isinstance(corpus, dict) else None
    return isinstance(config, dict) and config.get("mode") == "span"


def _table(sets: Sequence[Counts]) -> Table:
    columns = (
        Column("Evaluation set", "text"),
        Column("Items"),
        Column("Too short", hint="Items with too few words to be looked for"),
        Column("Found", hint="Items of which a part stood in a document"),
        Column("Share found"),
        Column("Documents", hint="Documents that held a part of an item"),
        Column("Example", "text"),
    )
    rows = tuple(
        (
            counts["set"],
            count(counts["items"]),
            count(counts["too_short"]),
            count(counts["items_hit"]),
            Gauge(share(counts["items_hit"], counts["items"]), counts["items_hit"] / max(1, counts["items"])),
            count(counts["documents"]),
            shorten(counts["example"], EXAMPLE_CHARACTERS) or "–",
        )
        for counts in sets
    )
    return Table(columns, rows)


def _examples(curated: Artefact, sets: Sequence[Counts]) -> list[Block]:
    hits: list[Counts] = list(read_json(curated, "contamination.json"))
    blocks: list[Block] = []
    for counts in sets:
        of_set = [hit for hit in hits if hit["set"] == counts["set"]]
        fullest = {hit["item"]: hit for hit in sorted(of_set, key=lambda hit: hit["share"])}  # one document an item
        shown = sorted(fullest.values(), key=lambda hit: -hit["share"])[:EXAMPLES_PER_SET]
        if shown:
            remark = f"{len(shown)} of {plural(counts['items_hit'], 'item')} found"
            blocks.append(Quotations(counts["set"], remark, tuple(_quote(hit) for hit in shown)))
    return (
        [Note("Beginnings of items that were found, and of each the document that held most of it."), *blocks]
        if blocks
        else []
    )


def _quote(hit: Counts) -> Quotation:
    return Quotation(
        place=f"document {hit['id']}, bytes {hit['begin']:,} to {hit['end']:,}",
        text=hit["excerpt"],
        scores={"item": str(hit["item"]), "n-grams": count(hit["ngrams"]), "of the item": share(hit["share"], 1)},
    )
