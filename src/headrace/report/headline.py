"""The top of the page: one sentence, and the figures that matter."""

from typing import Any

from headrace.report.blocks import Fact
from headrace.report.material import Material, read_json
from headrace.report.task import task_facts, task_verdict
from headrace.report.training import step_seconds, waited_seconds
from headrace.report.wording import count, decimal, duration, plural, share, short_count, size


def verdict(material: Material) -> str:
    """From documents to bits per byte in one line, as far as the run has come."""
    parts = []
    if material.curated:
        parts.append(plural(material.curated.summary["kept"], "document"))
    if material.tokens:
        parts.append(f"{short_count(_stored_tokens(material.tokens.summary))} tokens")
    if material.stages:
        parts.append(f"{short_count(material.stages[-1].summary['parameters'])} parameters")
    if overall := _overall(material):
        parts.append(f"{decimal(overall['bits_per_byte'], 2)} bits per byte")
    if material.task:
        parts.append(task_verdict(material.task))
    if not parts:
        return "Nothing is finished yet."
    return f"{' → '.join(parts)} in {duration(material.total_seconds)}"


def status(material: Material) -> str:
    """How far the run has come."""
    return "finished" if material.record.finished else "not finished"


def key_facts(material: Material) -> tuple[Fact, ...]:
    """The tiles below the sentence; what the run has not reached is left out."""
    task = task_facts(material.task) if material.task else []
    return (*task, *_quality(material), *_speed(material), *_documents(material), *_time(material))


def _quality(material: Material) -> list[Fact]:
    overall = _overall(material)
    if not overall:
        return []
    held_out = f"on {plural(overall['documents'], 'held-out document')}"
    return [
        Fact("Bits per byte", decimal(overall["bits_per_byte"]), note=held_out),
        Fact("Perplexity", decimal(overall["perplexity"], 1 if overall["perplexity"] < 1000 else 0), note="per token"),
    ]


def _speed(material: Material) -> list[Fact]:
    if not material.stages:
        return []
    summary = material.stages[-1].summary
    note = f"{share(summary['share_of_peak'], 1)} of the measured matrix-product peak"
    return [Fact("Training speed", count(summary["tokens_per_second"]), "tokens/s", note)]


def _documents(material: Material) -> list[Fact]:
    if not material.curated:
        return []
    summary = material.curated.summary
    note = f"{share(summary['kept'], summary['seen'])} of {count(summary['seen'])} seen"
    if (used := summary.get("used", summary["kept"])) < summary["kept"]:
        note += f"; the mixture takes {count(used)}"
    kept_bytes = sum(source["bytes"] for source in summary["sources"].values())
    facts = [Fact("Documents kept", count(summary["kept"]), note=note)]
    return facts if material.stages else [*facts, Fact("Text kept", size(kept_bytes))]


def _time(material: Material) -> list[Fact]:
    facts = [Fact("Total time", duration(material.total_seconds), note="all steps, whichever run did them")]
    steps = sum(step_seconds(stage) for stage in material.stages)
    if steps:
        waited = sum(waited_seconds(stage) for stage in material.stages)
        facts.append(Fact("Waiting for data", duration(waited), note=f"{share(waited, steps)} of training time"))
    return facts if material.artefacts else []


def _overall(material: Material) -> dict[str, Any]:
    result = read_json(material.evaluation, "evaluation.json") if material.evaluation else {}
    return dict(result.get("overall", {}))


def _stored_tokens(summary: dict[str, Any]) -> int:
    return int(summary["train"]["tokens"]) + int(summary["validation"]["tokens"])
