"""The section about documents: how many came, which rule turned how many away, what those were."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from headrace.report.blocks import Block, Cell, Chart, Column, Gauge, Note, Quotation, Quotations, Section, Table
from headrace.report.charts import DROPPED, DUPLICATED, HELD_OUT, KEPT, Bar, bar_chart, share_chart
from headrace.report.material import Material, read_json
from headrace.report.wording import count, plural, share
from headrace.store import Artefact

EXCERPT_CHARACTERS = 300
MOST_BARS = 14

Counts = Mapping[str, Any]


def documents_section(material: Material) -> Section | None:
    """Documents seen, dropped by each rule and kept."""
    curated = material.curated
    if curated is None:
        return None
    summary = curated.summary
    lead = (
        f"Of {plural(summary['seen'], 'document')} read, {count(summary['kept'])} are kept "
        f"({share(summary['kept'], summary['seen'])}): {count(summary['train'])} to train on and "
        f"{count(summary['validation'])} held out. Rules are asked in the order of the recipe; "
        "a document is filed under the first one it fails."
    )
    blocks: list[Block] = [_outcome_chart(summary), *_reasons_chart(summary), _funnel_table(curated)]
    blocks += _examples(curated)
    if summary["quarantined"]:
        blocks.append(_quarantine(summary))
    if unprotected := sum(int(artefact.summary.get("files_without_checksum", 0)) for artefact in material.artefacts):
        blocks.append(
            Note(f"{plural(unprotected, 'compressed file')} without a checksum: damage in them may go unnoticed.")
        )
    return Section("documents", "Documents", lead, tuple(blocks))


def _outcome_chart(summary: Counts) -> Chart:
    failed = summary["seen"] - summary["kept"] - summary["duplicates"]
    outcomes = {
        "train": (summary["train"], KEPT),
        "validation": (summary["validation"], HELD_OUT),
        "duplicate": (summary["duplicates"], DUPLICATED),
        "failed a rule": (failed, DROPPED),
    }
    named = {f"{name}: {count(number)}": (number, colour) for name, (number, colour) in outcomes.items()}
    parts = {name: number for name, (number, _) in named.items()}
    colours = {name: colour for name, (_, colour) in named.items()}
    return share_chart(f"What became of {plural(summary['seen'], 'document')}", {"documents": parts}, colours=colours)


def _reasons_chart(summary: Counts) -> list[Block]:
    dropping = [step for step in summary["funnel"] if step["dropped_first"]]
    bars = [
        Bar(step["reason"], step["dropped_first"], count(step["dropped_first"]), colour=DROPPED)
        for step in _fold(dropping)
    ]
    return [bar_chart("Documents dropped, by their first reason", bars, unit="documents")] if bars else []


def _fold(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps, or the first of them and one for all the rest."""
    if len(steps) <= MOST_BARS:
        return steps
    rest = steps[MOST_BARS - 1 :]
    folded = {"reason": f"{len(rest)} more rules", "dropped_first": sum(step["dropped_first"] for step in rest)}
    return [*steps[: MOST_BARS - 1], folded]


def _funnel_table(curated: Artefact) -> Table:
    funnel, seen = curated.summary["funnel"], curated.summary["seen"]
    conditions = _conditions(curated)
    biting = [step for step in funnel if step["failed_total"]]
    idle = [step["reason"] for step in funnel if not step["failed_total"]]
    columns = (
        Column("Reason", "code"),
        Column("Dropped first", hint="Documents for which this is the first reason"),
        Column("Share of all"),
        Column("Failed in total", hint="Documents that fail it, whatever else they fail"),
        Column("Failed alone", hint="Documents that fail this rule and no other"),
        Column("Keeps documents where", "code"),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            step["reason"],
            count(step["dropped_first"]),
            Gauge(share(step["dropped_first"], seen), step["dropped_first"] / max(1, seen)),
            count(step["failed_total"]),
            count(step["failed_alone"]),
            _condition(step["reason"], conditions),
        )
        for step in biting
    )
    note = f"Dropped nothing: {', '.join(idle)}." if idle else ""
    return Table(columns, rows, title="What each rule did", note=note)


def _conditions(curated: Artefact) -> dict[str, list[str]]:
    """Reason -> its conditions over all sources, each with the languages it is for."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for source in read_json(curated, "sources.json").values():
        for rule in source["rules"]:
            scope = f" [{', '.join(rule['languages'])}]" if rule.get("languages") else ""
            scope = scope or (f" [not {', '.join(rule['except_languages'])}]" if rule.get("except_languages") else "")
            found[rule.get("name") or rule["rule"]][rule["rule"] + scope] = None
    return {reason: list(conditions) for reason, conditions in found.items()}


def _condition(reason: str, conditions: Mapping[str, list[str]]) -> str:
    if reason == "duplicate":
        return "no equal document came before"
    return "; ".join(conditions.get(reason, []))


def _examples(curated: Artefact) -> list[Block]:
    examples = read_json(curated, "examples.json")
    if not examples:
        return []
    dropped = {step["reason"]: step["dropped_first"] for step in curated.summary["funnel"]}
    blocks: list[Block] = [Note("Examples of dropped documents, chosen by chance; text as the rules saw it.")]
    for reason in [reason for reason in dropped if reason in examples]:
        quoted = tuple(_quote(reason, document) for document in examples[reason])
        blocks.append(Quotations(reason, f"{len(quoted)} of {count(dropped[reason])}", quoted))
    return blocks


def _quote(reason: str, document: Mapping[str, Any]) -> Quotation:
    others = [other for other in document["reasons"] if other != reason]
    remark = f"also failed {', '.join(others)}" if others else ""
    remark = f"equal to {document['duplicate_of']}" if document["duplicate_of"] else remark
    text = document["text"]
    return Quotation(
        place=f"{document['source']} · {document['file']}:{document['offset']}",
        text=text if len(text) < EXCERPT_CHARACTERS else text[:EXCERPT_CHARACTERS] + " …",
        scores={name: _score(value) for name, value in document["scores"].items()},
        remark=remark,
    )


def _score(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return count(value) if isinstance(value, int) else str(value)


def _quarantine(summary: Counts) -> Table:
    reasons = summary["quarantine_reasons"]
    rows = tuple((reason, count(number)) for reason, number in reasons.items())
    note = "Records that could not be read as documents; they are kept in quarantine.parquet and in no count above."
    return Table((Column("Damaged records", "text"), Column("Records")), rows, title="Quarantine", note=note)
