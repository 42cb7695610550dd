"""The section about documents: how many came, which rule turned how many away, what those were."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from headrace.corpus.reasons import (
    CONTAMINATED,
    DUPLICATE,
    HIGH_PERPLEXITY,
    LOW_QUALITY,
    MEANINGS,
    NEAR_DUPLICATE,
    NOTHING_LEFT,
    SAME_MEANING,
)
from headrace.report.blocks import Block, Cell, Chart, Column, Gauge, Note, Quotation, Quotations, Section, Table
from headrace.report.charts import (
    DROPPED,
    DUPLICATED,
    HELD_OUT,
    KEPT,
    NEUTRAL,
    PALE,
    Bar,
    bar_chart,
    share_chart,
)
from headrace.report.colours import PALETTE
from headrace.report.material import Material, read_json
from headrace.report.wording import count, excerpt, plural, score, share
from headrace.store import Artefact

MOST_BARS = 14
OTHER_OUTCOMES = {
    "poor by learned scores": ((LOW_QUALITY, HIGH_PERPLEXITY), PALETTE[6]),
    "contaminated": ((CONTAMINATED,), PALETTE[3]),
    "nothing left": ((NOTHING_LEFT,), NEUTRAL),
}
"""What else drops documents: the reasons, and the colour."""
TWINS = {DUPLICATE: "equal to", NEAR_DUPLICATE: "nearly equal to", SAME_MEANING: "says the same as"}

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
        f"{count(summary['validation'])} held out{_left_out_words(summary)}. Rules are asked in the order of the "
        "recipe; a document is filed under the first one it fails."
    )
    blocks: list[Block] = [_outcome_chart(summary), *_reasons_chart(summary), _funnel_table(curated)]
    blocks += _examples(curated)
    blocks += [*_unread(material), *_remarks(material, summary)]
    return Section("documents", "Documents", lead, tuple(blocks))


def _num_left_out(summary: Counts) -> int:
    """Documents that are kept and that the mixture does not take; summaries of older runs do not tell."""
    return int(summary["kept"] - summary.get("used", summary["kept"]))


def _left_out_words(summary: Counts) -> str:
    left_out = _num_left_out(summary)
    return f"; the mixture takes {count(summary['used'])} of them and leaves {count(left_out)} out" if left_out else ""


def _outcome_chart(summary: Counts) -> Chart:
    dropped = {step["reason"]: step["dropped_first"] for step in summary["funnel"]}
    others = {
        name: (sum(dropped.get(reason, 0) for reason in reasons), colour)
        for name, (reasons, colour) in OTHER_OUTCOMES.items()
    }
    failed = summary["seen"] - summary["kept"] - summary["duplicates"] - sum(number for number, _ in others.values())
    outcomes = {
        "train": (summary["train"] - _num_left_out(summary), KEPT),
        **({"left out by the mixture": (_num_left_out(summary), PALE)} if _num_left_out(summary) else {}),
        "validation": (summary["validation"], HELD_OUT),
        "duplicate": (summary["duplicates"], DUPLICATED),
        "failed a rule": (failed, DROPPED),
        **{name: outcome for name, outcome in others.items() if outcome[0]},
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
    """The steps, or those that dropped most, in their order, and one for all the rest."""
    if len(steps) <= MOST_BARS:
        return steps
    largest = sorted(range(len(steps)), key=lambda index: -steps[index]["dropped_first"])[: MOST_BARS - 1]
    shown = [steps[index] for index in sorted(largest)]
    rest = sum(step["dropped_first"] for step in steps) - sum(step["dropped_first"] for step in shown)
    return [*shown, {"reason": f"{len(steps) - len(shown)} more reasons", "dropped_first": rest}]


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
    return Table(columns, rows, title="What each rule and each later step did", note=note)


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
    return MEANINGS.get(reason) or "; ".join(conditions.get(reason, []))


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
    remark = f"{TWINS.get(reason, 'like')} {document['duplicate_of']}" if document["duplicate_of"] else remark
    return Quotation(
        place=f"{document['source']} · {document['file']}:{document['offset']}",
        text=excerpt(document["text"]),
        scores={name: score(value) for name, value in document["scores"].items()},
        remark=remark,
    )


def _unread(material: Material) -> list[Block]:
    """What lay in the files and is no document."""
    blocks: list[Block] = []
    if damaged := material.curated.summary["quarantine_reasons"] if material.curated else {}:
        note = "They could not be read as documents; they are kept in quarantine.parquet and in no count above."
        blocks.append(_reasons_table("Damaged records", damaged, note=note))
        blocks += _damaged_places(material)
    skipped = Counter[str]()
    for artefact in material.artefacts:
        skipped.update(artefact.summary.get("skipped", {}))
    if skipped:
        note = "They are whole, but hold no text to learn from, such as redirects and pictures; in no count above."
        blocks.append(_reasons_table("Skipped records", dict(skipped.most_common()), note=note))
    return blocks


def _damaged_places(material: Material) -> list[Block]:
    """Where to look for the first of them."""
    quarantines = material.curated.files("quarantine.parquet") if material.curated else []
    if not quarantines:
        return []
    from headrace.report.damaged import read_damaged  # here because pyarrow takes longer than most pages

    columns = (Column("Lies at", "code", hint="File and byte offset"), Column("Reason", "text"))
    rows = tuple(
        (f"{record['file']}:{record['offset']}", record["reason"].replace("_", " "))
        for record in read_damaged(quarantines[0])
    )
    return [Table(columns, rows, title="The first damaged records")] if rows else []


def _reasons_table(title: str, reasons: Counts, *, note: str) -> Table:
    rows = tuple((reason.replace("_", " "), count(number)) for reason, number in reasons.items())
    return Table((Column("Reason", "text"), Column("Records")), rows, title=title, note=note)


def _remarks(material: Material, summary: Counts) -> list[Block]:
    remarks: list[Block] = []
    if repeated := summary.get("repeated_ids", 0):
        has = "has an id" if repeated == 1 else "have ids"
        remarks.append(
            Note(f"{plural(repeated, 'record')} {has} that an earlier record has too; each counts on its own.")
        )
    if empty := sum(int(artefact.summary.get("empty_files", 0)) for artefact in material.artefacts):
        remarks.append(Note(f"{plural(empty, 'raw file')} without any record in {'it' if empty == 1 else 'them'}."))
    if unprotected := sum(int(artefact.summary.get("files_without_checksum", 0)) for artefact in material.artefacts):
        text = f"{plural(unprotected, 'compressed file')} without a checksum: damage in them may go unnoticed."
        remarks.append(Note(text))
    return remarks
