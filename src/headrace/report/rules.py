"""The section about rules one by one: what each costs alone, and what would come back without it."""

import re
from collections.abc import Mapping
from typing import Any

from headrace.report.blocks import Block, Column, Gauge, Note, Quotation, Quotations, Section, Table
from headrace.report.material import Material, read_json
from headrace.report.wording import count, excerpt, plural, score, share, size

NAME = re.compile(r"\w+")

Effect = Mapping[str, Any]


def rules_section(material: Material) -> Section | None:
    """What each rule drops alone and on the margin."""
    tried = read_json(material.curated, "what-if.json") if material.curated else {}
    if not tried or not tried["dropped_documents"]:
        return None
    dropped = tried["dropped_documents"]
    lead = (
        f"{plural(dropped, 'document')} of {count(tried['documents'])} ({size(tried['dropped_bytes'])} of "
        f"{size(tried['bytes'])}) {'fails' if dropped == 1 else 'fail'} at least one rule. Rules overlap: without one "
        "of them, only the documents on its margin would come back."
    )
    return Section("rules", "Rules one by one", lead, (_table(tried), *_examples(tried["effects"])))


def _table(tried: Mapping[str, Any]) -> Table:
    columns = (
        Column("Rule", "code"),
        Column("Alone", hint="Documents that fail it, whatever else they fail"),
        Column("Size"),
        Column("Share of all"),
        Column("On the margin", hint="Documents that fail it and no other rule"),
        Column("Size"),
        Column("Share of all"),
    )
    total = tried["documents"]
    rows = tuple(
        (
            effect["reason"],
            count(effect["documents"]),
            size(effect["bytes"]),
            _gauge(effect["documents"], total),
            count(effect["margin_documents"]),
            size(effect["margin_bytes"]),
            _gauge(effect["margin_documents"], total),
        )
        for effect in tried["effects"]
        if effect["documents"]
    )
    note = (
        "Shares are of documents. What comes after the rules, such as deduplication, is not counted. "
        "The command headrace corpus what-if tries other rules in seconds."
    )
    return Table(columns, rows, title="What each rule costs", note=note)


def _gauge(part: int, whole: int) -> Gauge:
    return Gauge(share(part, whole), part / max(1, whole))


def _examples(effects: list[Effect]) -> list[Block]:
    shown = [effect for effect in effects if effect["examples"]]
    if not shown:
        return []
    return [
        Note("Documents that would come back without the rule; text as the rules saw it."),
        *(
            Quotations(
                effect["reason"],
                f"{len(effect['examples'])} of {count(effect['margin_documents'])} on its margin",
                tuple(_quote(effect, document) for document in effect["examples"]),
            )
            for effect in shown
        ),
    ]


def _quote(effect: Effect, document: Mapping[str, Any]) -> Quotation:
    """A document with the scores that this rule looks at; the file has those of all rules."""
    looked_at = dict.fromkeys(name for condition in effect["conditions"] for name in NAME.findall(condition))
    return Quotation(
        place=f"{document['source']} · {document['file']}:{document['offset']}",
        text=excerpt(document["text"]),
        scores={name: score(document[name]) for name in looked_at if document.get(name) is not None},
    )
