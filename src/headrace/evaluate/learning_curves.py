"""Learning curves: what the records of a stage say about learning, step by step, and not about the machine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MACHINE = {"step", "tokens", "seconds", "wait_seconds", "tokens_per_second", "learning_rate", "gradient_norm"}
LOWER_IS_BETTER = {"loss", "perplexity", "answer_loss", "calibration_error", "nats_per_token", "bits_per_byte"}


@dataclass
class Series:
    """One figure over the steps."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def best(self, *, lower: bool) -> tuple[int, float]:
        """The step with the best value, the first of equals, and the value."""
        value = min(self.values) if lower else max(self.values)
        return self.steps[self.values.index(value)], value


@dataclass(frozen=True)
class LearningCurves:
    """Losses, and whatever else was measured on held-out examples while a stage learnt."""

    train_loss: Series
    validation: dict[str, Series]
    """By name, `loss` first where there is one."""


def learning_curves(records: Iterable[Mapping[str, Any]]) -> LearningCurves:
    """The curves of one stage's `metrics.jsonl`. A figure may begin late or be missing at times."""
    train_loss, validation = Series(), dict[str, Series]()
    for record in records:
        if record["kind"] == "train":
            train_loss.steps.append(int(record["step"]))
            train_loss.values.append(float(record["loss"]))
        elif record["kind"] == "validation":
            for name in record.keys() - MACHINE:
                if isinstance(record[name], int | float) and not isinstance(record[name], bool):
                    series = validation.setdefault(name, Series())
                    series.steps.append(int(record["step"]))
                    series.values.append(float(record[name]))
    return LearningCurves(train_loss, dict(sorted(validation.items(), key=lambda item: (item[0] != "loss", item[0]))))
