"""The section about learned quality: what models were trained on, how well they judge, what was dropped for it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headrace.corpus.reasons import HIGH_PERPLEXITY, LOW_QUALITY
from headrace.report.blocks import Fact, Facts, Section
from headrace.report.material import Material
from headrace.report.wording import count, decimal, plural, score, size

THRESHOLDS = {
    "quality_score": Fact("Least quality score", "", note="of documents that stay, found for the share to keep"),
    "perplexity": Fact("Greatest perplexity", "", note="of documents that stay, found for the share to keep"),
}

Counts = Mapping[str, Any]


def quality_section(material: Material) -> Section | None:
    """The figures of the models that were trained on the user's examples."""
    if material.quality is None:
        return None
    summary = material.quality.summary
    curated: Counts = material.curated.summary if material.curated else {}
    dropped = {step["reason"]: step["dropped_first"] for step in curated.get("funnel", [])}
    kinds = (
        _classifier(summary.get("classifier")),
        (
            *_perplexity(summary.get("perplexity")),
            *_thresholds(curated.get("thresholds", {})),
            *_dropped(dropped, LOW_QUALITY, "Dropped for low quality"),
            *_dropped(dropped, HIGH_PERPLEXITY, "Dropped for high perplexity"),
        ),
    )
    blocks = [Facts(facts) for facts in kinds if facts]
    lead = (
        "Models that were trained on the recipe's examples score every document. The classifier's figures are measured "
        "on examples that its training did not see."
    )
    return Section("quality", "Learned quality", lead, tuple(blocks)) if blocks else None


def _classifier(figures: Counts | None) -> tuple[Fact, ...]:
    if not figures:
        return ()
    examples = f"{count(figures['good'])} good, {count(figures['bad'])} bad"
    held_out = f"tested on {count(figures['num_good'])} good and {count(figures['num_bad'])} bad"
    return (
        Fact("Examples", count(figures["good"] + figures["bad"]), note=examples),
        Fact("Good above bad (AUROC)", decimal(figures["auroc"]), note=f"0.5 is chance; {held_out}"),
        Fact("Brier score", decimal(figures["brier"]), note="0 is perfect; 0.25 knows nothing"),
        Fact("Calibration error", decimal(figures["calibration_error"]), note="how far scores are from true shares"),
    )


def _perplexity(figures: Counts | None) -> tuple[Fact, ...]:
    if not figures:
        return ()
    return (Fact("Reference text", size(figures["bytes"]), note=plural(figures["documents"], "document")),)


def _thresholds(found: Mapping[str, float]) -> tuple[Fact, ...]:
    return tuple(replace(fact, value=score(found[column])) for column, fact in THRESHOLDS.items() if column in found)


def _dropped(dropped: Mapping[str, int], reason: str, label: str) -> tuple[Fact, ...]:
    number = dropped.get(reason, 0)
    return (Fact(label, count(number), "document" if number == 1 else "documents"),) if number else ()
