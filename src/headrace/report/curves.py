"""The curves of a stage: what trackers are given, under the same names in each."""

from dataclasses import dataclass

from headrace.trace import Record

CURVES = {
    "train_metrics": {
        "loss": "train/loss",
        "learning_rate": "train/learning_rate",
        "gradient_norm": "train/gradient_norm",
        "tokens_per_second": "train/tokens_per_second",
        "wait_seconds": "train/wait_seconds",
        "step_tokens": "train/step_tokens",
        "noise_scale": "train/noise_scale",
    },
    "validation_metrics": {"loss": "validation/loss", "accuracy": "validation/accuracy"},
}
"""Name of the event -> field -> the curve it is a point of."""


@dataclass(frozen=True)
class Points:
    """What a record adds to the curves, at one step."""

    step: int
    time: float
    """Seconds since 1970."""
    values: dict[str, float]
    """Curve -> its value."""


def points_of(record: Record) -> Points | None:
    """The points that a record of the trace is; None if it is none."""
    if record["kind"] != "event":
        return None
    names = CURVES.get(record["name"], {})
    values = {name: record[field] for field, name in names.items() if record.get(field) is not None}
    return Points(record["step"], record["time"], values) if values else None
