"""The section about personal data: how much of each kind was replaced."""

from headrace.report.blocks import Section
from headrace.report.charts import Bar, bar_chart
from headrace.report.colours import PALETTE
from headrace.report.material import Material
from headrace.report.wording import count, plural


def redaction_section(material: Material) -> Section | None:
    """Replaced values by kind."""
    redacted: dict[str, int] = material.curated.summary.get("redacted", {}) if material.curated else {}
    if not redacted:
        return None
    total = sum(redacted.values())
    lead = (
        f"{plural(total, 'value')} {'was' if total == 1 else 'were'} replaced by placeholders, in documents that are "
        "kept and in those that are not. Names and addresses of people are no pattern, so none is counted here."
    )
    ordered = sorted(redacted.items(), key=lambda item: -item[1])
    bars = [Bar(kind, number, count(number), colour=PALETTE[7]) for kind, number in ordered]
    return Section("redaction", "Personal data", lead, (bar_chart("Replaced, by kind", bars, unit="values"),))
