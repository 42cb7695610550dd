"""What a model is worth at a task, as the file `task.json`: one record per kind of task, written and read here.

Every share (precision, accuracy, F1 ...) lies between 0 and 1; BLEU and chrF between 0 and 100, as their users expect.
No part of this needs more than the standard library and pydantic, so a finished run is shown at once.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from headrace.errors import StoreError
from headrace.store import write_file

TASK_FILE = "task.json"


@dataclass(frozen=True)
class Figure:
    """A measured number and its bootstrap interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """A class, an entity type, or an average of them."""

    name: str
    precision: float
    recall: float
    f1: Figure
    support: int
    """How many there truly are."""


@dataclass(frozen=True)
class Baseline:
    """What one gets without the model: figures by name, on the same examples."""

    name: str
    figures: dict[str, float]


@dataclass(frozen=True)
class Confusion:
    """Counts: a row per true name, a column per guessed name."""

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ReliabilityBin:
    """Guesses of about the same confidence, and the share of them that is right."""

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities mean what they say.

    Source: expected calibration error, Naeini et al. 2015 (bins of equal width); adaptive bins of equal count,
    Nixon et al. 2019.
    """

    error: float
    adaptive_error: float
    bins: tuple[ReliabilityBin, ...]
    adaptive_bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class Mistake:
    """An example that the model got wrong."""

    text: str
    truth: str
    guess: str
    probability: float
    """Of the guess."""
    loss: float
    """Negative log-likelihood of the truth, in nats."""


@dataclass(frozen=True)
class ClassificationReport:
    """Classes of texts. With several labels per text, `accuracy` counts texts with all labels right."""

    task: Literal["classify"]
    examples: int
    labels: tuple[str, ...]
    multi_label: bool
    accuracy: Figure
    macro_f1: Figure
    log_loss: float
    classes: tuple[Row, ...]
    averages: tuple[Row, ...]
    """`micro`, `macro`, `weighted`."""
    confusion: Confusion | None
    """None with several labels per text."""
    calibration: Calibration
    average_precision: dict[str, float]
    """Of each label that occurs, one against all others, and `macro` of them."""
    worst: tuple[Mistake, ...]
    baselines: tuple[Baseline, ...] = ()
    """Their figures: `accuracy`, `macro_f1`."""


@dataclass(frozen=True)
class SpanErrors:
    """What became of the entities of one type."""

    name: str
    correct: int
    boundary: int
    """Right type, wrong extent."""
    type: int
    """Right extent, wrong type."""
    both: int
    """Overlaps with a guess that has neither."""
    missed: int
    extra: int
    """Guessed, and no true entity left to overlap with."""


@dataclass(frozen=True)
class Sentence:
    """Words with true and guessed tags."""

    tokens: tuple[str, ...]
    truth: tuple[str, ...]
    guess: tuple[str, ...]
    errors: int


@dataclass(frozen=True)
class TaggingReport:
    """Entities in sentences; `classes` and `averages` count an entity if extent and type are exact."""

    task: Literal["tag"]
    examples: int
    f1: Figure
    """Micro average over entities."""
    macro_f1: Figure
    classes: tuple[Row, ...]
    averages: tuple[Row, ...]
    token_accuracy: Figure
    token_classes: tuple[Row, ...]
    token_averages: tuple[Row, ...]
    """Over all tags but O."""
    confusion: Confusion
    """Types of entities, and `(none)`: a row of it is extra, a column missed."""
    errors: tuple[SpanErrors, ...]
    worst: tuple[Sentence, ...]
    baselines: tuple[Baseline, ...] = ()
    """Their figures: `f1`, `macro_f1`."""


@dataclass(frozen=True)
class Metric:
    """A score of a corpus of translations, with the signature that makes it comparable."""

    name: str
    figure: Figure
    signature: str


@dataclass(frozen=True)
class Translation:
    """A source, what a person made of it, and what others did."""

    source: str
    reference: str
    guess: str
    chrf: float
    """Of this guess alone."""
    retrieved: str = ""
    """What the nearest training pair offers."""


@dataclass(frozen=True)
class TranslationReport:
    """Sequences made from sequences."""

    task: Literal["seq2seq"]
    examples: int
    metrics: tuple[Metric, ...]
    exact: Figure
    """Share of guesses equal to their reference."""
    length_ratio: float
    """Characters of all guesses over characters of all references."""
    samples: tuple[Translation, ...]
    worst: tuple[Translation, ...]
    baselines: tuple[Baseline, ...] = ()
    """Their figures: names of the metrics."""


@dataclass(frozen=True)
class Answer:
    """A prompt, the answer of the data and the model's own."""

    prompt: str
    reference: str
    guess: str
    loss: float | None = None
    """Mean negative log-likelihood of a token of the reference, in nats."""


@dataclass(frozen=True)
class InstructionReport:
    """Answers to prompts."""

    task: Literal["instruct"]
    examples: int
    answer_tokens: int
    answer_loss: Figure
    """Nats per answer token."""
    perplexity: float
    exact: Figure | None
    """Share of answers equal to the reference; None if none was generated."""
    normalised: Figure | None
    """The same, where case, width, outer punctuation and white space do not count."""
    samples: tuple[Answer, ...]
    worst: tuple[Answer, ...]
    baselines: tuple[Baseline, ...] = ()
    """Their figures: `answer_loss`, for one the model before training."""


@dataclass(frozen=True)
class Pair:
    """A chosen and a rejected answer."""

    prompt: str
    chosen: str
    rejected: str
    margin: float


@dataclass(frozen=True)
class PreferenceReport:
    """Chosen over rejected answers; rewards as the objective defines them."""

    task: Literal["prefer"]
    examples: int
    accuracy: Figure
    """Share of pairs whose chosen answer has the greater reward; a tie counts half."""
    margin: Figure
    chosen_reward: float
    rejected_reward: float
    margins: tuple[float, ...]
    """Edges of 20 bins with equally many pairs: the quantiles of the margin."""
    worst: tuple[Pair, ...]
    baselines: tuple[Baseline, ...] = ()
    """Their figures: `accuracy`, `margin`."""


AnyTaskReport = ClassificationReport | TaggingReport | TranslationReport | InstructionReport | PreferenceReport


def main_figures(report: AnyTaskReport) -> dict[str, Figure]:
    """The figures that stand for a whole report, by name."""
    if report.task == "seq2seq":
        return {metric.name: metric.figure for metric in report.metrics}
    names = {
        "classify": ("accuracy", "macro_f1"),
        "tag": ("f1", "token_accuracy"),
        "instruct": ("answer_loss",),
        "prefer": ("accuracy", "margin"),
    }[report.task]
    return {name: getattr(report, name) for name in names}


def write_task_report(result: AnyTaskReport, folder: Path) -> Path:
    """Writes `task.json` into a folder and returns its path. Raises ValueError for a figure that is not a number."""
    encoded = orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
    try:
        _schema().validate_json(encoded)  # orjson writes null for what is not finite
    except ValidationError as error:
        raise ValueError(f"the {result.task} report has a figure that is no number: {error}") from error
    path = folder / TASK_FILE
    write_file(path, encoded)
    return path


def read_task_report(path: Path) -> AnyTaskReport:
    """The report in a file. Raises StoreError if it is damaged or of another version."""
    try:
        return _schema().validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise StoreError(f"{path}: {error}. Run `headrace gc --damaged` and run again: it will be rebuilt.") from error


@cache
def _schema() -> TypeAdapter[AnyTaskReport]:
    return TypeAdapter(Annotated[AnyTaskReport, Field(discriminator="task")])
