"""The sections about what is left: sources and languages, and the tokens made of them."""

import struct
from collections import Counter
from collections.abc import Mapping
from typing import Any

from headrace.report.blocks import Block, Cell, Column, Fact, Facts, Gauge, Section, Table
from headrace.report.charts import Bar, bar_chart, share_chart
from headrace.report.colours import PALETTE, name_colours
from headrace.report.material import Material
from headrace.report.wording import count, decimal, share, short_count, size
from headrace.store import Artefact

MOST_BARS = 14
SPLITS = ("train", "validation")
INDEX_HEADER = struct.Struct("<9sQB")  # of a Megatron index: magic, version, type code
TYPE_NAMES = {4: "int32", 8: "uint16"}

Counts = Mapping[str, Any]


def sources_section(material: Material) -> Section | None:
    """What is kept of every source and language."""
    if material.curated is None:
        return None
    summary = material.curated.summary
    tokens = material.tokens.summary if material.tokens else {}
    blocks: list[Block] = []
    for title, key, column in (("Sources", "sources", "source"), ("Languages", "languages", "language")):
        groups, group_tokens = summary[key], _tokens_by(tokens, column)
        if len(groups) > 1:
            shares = _shares(groups, group_tokens)
            quantities = "documents, bytes and tokens" if group_tokens else "documents and bytes"
            blocks.append(share_chart(f"{title}, by {quantities}", shares, known=name_colours(summary)))
        blocks.append(_groups_table(column.capitalize(), groups, group_tokens))
    lead = "What each source and each language gives: documents read and kept, the size of what is kept, its tokens."
    return Section("sources", "Sources and languages", lead, tuple(blocks))


def _tokens_by(tokens: Counts, column: str) -> Counter[str]:
    """Tokens of each source or language, both splits together; empty where nothing was encoded."""
    totals: Counter[str] = Counter()
    for split in SPLITS:
        totals.update({name: counts["tokens"] for name, counts in tokens.get(split, {}).get(column, {}).items()})
    return totals


def _shares(groups: Mapping[str, Counts], tokens: Counter[str]) -> dict[str, dict[str, float]]:
    return {
        "documents": {name: counts["kept"] for name, counts in groups.items()},
        "bytes": {name: counts["bytes"] for name, counts in groups.items()},
        "tokens": {name: tokens[name] for name in groups},
    }


def _groups_table(title: str, groups: Mapping[str, Counts], tokens: Counter[str]) -> Table:
    columns = [Column(title, "text"), Column("Seen"), Column("Kept"), Column("Share kept"), Column("Train")]
    columns += [Column("Validation"), Column("Size kept"), Column("Characters")]
    columns += [Column("Tokens")] if tokens else []
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            name,
            count(counts["seen"]),
            count(counts["kept"]),
            Gauge(share(counts["kept"], counts["seen"]), counts["kept"] / max(1, counts["seen"])),
            count(counts["train"]),
            count(counts["validation"]),
            size(counts["bytes"]),
            short_count(counts["characters"]),
            *([short_count(tokens[name])] if tokens else []),
        )
        for name, counts in sorted(groups.items(), key=lambda item: -item[1]["bytes"])
    )
    return Table(tuple(columns), rows)


def tokens_section(material: Material) -> Section | None:
    """The vocabulary and the rows that training reads."""
    store = material.tokens
    if store is None:
        return None
    splits = {split: store.summary[split] for split in SPLITS if store.summary.get(split, {}).get("tokens")}
    num_bytes, num_tokens = (sum(counts[key] for counts in splits.values()) for key in ("bytes", "tokens"))
    row_tokens = store.manifest.config.get("row_tokens")
    facts = [Fact("Vocabulary", count(material.vocabulary.summary["tokens"]), "tokens")] if material.vocabulary else []
    facts.append(Fact("Bytes per token", decimal(num_bytes / num_tokens, 2), note="more means fewer tokens for a text"))
    facts += [Fact("Row", count(row_tokens), "tokens")] if isinstance(row_tokens, int) else []
    facts.append(Fact("Token type", _token_type(store), note="Megatron-LM indexed dataset"))
    blocks: list[Block] = [Facts(tuple(facts)), _splits_table(splits), *_density(splits), *_coverage(splits)]
    lead = "Text as the model reads it: documents end to end, packed whole into rows wherever they fit."
    return Section("tokens", "Tokens", lead, tuple(blocks))


def _splits_table(splits: Mapping[str, Counts]) -> Table:
    columns = (
        Column("Split", "text"),
        Column("Documents"),
        Column("Size"),
        Column("Tokens"),
        Column("Rows"),
        Column("Fill"),
    )
    rows = tuple(
        (
            split,
            count(counts["documents"]),
            size(counts["bytes"]),
            count(counts["tokens"]),
            count(counts["rows"]),
            Gauge(share(counts["fill"], 1), counts["fill"]),
        )
        for split, counts in splits.items()
    )
    return Table(columns, rows, note="Fill: the share of the rows' places that hold a token; the rest is padding.")


def _density(splits: Mapping[str, Counts]) -> list[Block]:
    """Bytes per token of each language, where there is more than one."""
    num_bytes, num_tokens = Counter[str](), Counter[str]()
    for counts in splits.values():
        num_bytes.update({name: part["bytes"] for name, part in counts["language"].items()})
        num_tokens.update({name: part["tokens"] for name, part in counts["language"].items()})
    if len(num_tokens) < 2:
        return []
    bars = [
        Bar(name, num_bytes[name] / tokens, decimal(num_bytes[name] / tokens, 2), colour=PALETTE[5])
        for name, tokens in num_tokens.most_common(MOST_BARS)
    ]
    return [bar_chart("Bytes per token, by language", bars, unit="bytes of UTF-8 per token")]


def _coverage(splits: Mapping[str, Counts]) -> list[Block]:
    """How well the vocabulary fits the text of each language and source."""
    rows: list[tuple[Cell, ...]] = []
    for column in ("language", "source"):
        names = sorted({name for counts in splits.values() for name in counts[column]})
        for name in names:
            sums = Counter[str]()
            for counts in splits.values():
                sums.update(counts[column].get(name, {}))
            if "single_bytes" not in sums or not sums["bytes"]:  # written before this was counted
                continue
            longer, fallback = (1 - sums["single_bytes"] / sums["bytes"], sums["fallback_bytes"] / sums["bytes"])
            rows.append(
                (
                    f"{column} {name}",
                    decimal(sums["bytes"] / sums["tokens"], 2),
                    Gauge(share(longer, 1), longer),
                    share(fallback, 1),
                )
            )
    columns = (Column("Text", "text"), Column("Bytes per token"), Column("Covered"), Column("Byte fallback"))
    note = (
        "Covered: the share of the bytes that lie in tokens longer than one byte. Byte fallback: the share that became "
        "single bytes of signs the vocabulary does not know."
    )
    return [Table(columns, tuple(rows), note=note)] if rows else []


def _token_type(store: Artefact) -> str:
    with store.files("*.idx")[0].open("rb") as file:
        _, _, code = INDEX_HEADER.unpack(file.read(INDEX_HEADER.size))
    return TYPE_NAMES.get(code, f"code {code}")
