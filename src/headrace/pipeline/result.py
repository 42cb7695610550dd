"""A run as Python sees it: what it measured, and a model to talk to."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from headrace.evaluate.task_report import TASK_FILE, AnyTaskReport, read_task_report
from headrace.pipeline.threads import wait_asleep
from headrace.store import RunFolder

if TYPE_CHECKING:
    from headrace.serve import Precision, TextGenerator
    from headrace.serve.predictor import Predictor


@dataclass(frozen=True)
class Evaluation:
    """Figures on held-out documents."""

    bits_per_byte: float
    perplexity: float
    details: dict[str, Any]
    """All figures: `overall`, and per `source` and `language`."""


@dataclass(frozen=True)
class Sample:
    """A prompt and what the model made of it."""

    prompt: str
    continuation: str


class Run:
    """A finished or unfinished run. Everything is read when it is asked for."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"Run({str(self.folder.path)!r})"

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def report(self) -> Path:
        """The HTML page."""
        return self.folder.report_path

    @cached_property
    def model(self) -> "TextGenerator":
        """The trained model, loaded; `run.model.generate("It is")`. Raises InputError if the run trained none."""
        return self.open_model()

    def open_model(self, precision: "Precision" = "fp32") -> "TextGenerator":
        """The same, loaded anew, to compute in a precision."""
        wait_asleep()
        from headrace.serve import TextGenerator

        artefact = self.folder.artefact("train")
        artefact.verify()
        row_tokens = orjson.loads((artefact.path / "config.json").read_bytes())["max_position_embeddings"]
        return TextGenerator(artefact.path, max_positions=int(row_tokens), precision=precision)

    @property
    def evaluation(self) -> Evaluation:
        """What evaluation measured. Raises InputError if the run has none."""
        details = orjson.loads((self.folder.artefact("evaluate").path / "evaluation.json").read_bytes())
        return Evaluation(details["overall"]["bits_per_byte"], details["overall"]["perplexity"], details)

    @property
    def task(self) -> AnyTaskReport:
        """What the model is worth at its task. Raises InputError or StoreError if none was evaluated."""
        return read_task_report(self.folder.artefact("evaluate").path / TASK_FILE)

    @property
    def samples(self) -> list[Sample]:
        """The continuations that evaluation made."""
        found = orjson.loads((self.folder.artefact("evaluate").path / "samples.json").read_bytes())
        return [Sample(sample["prompt"], sample["continuation"]) for sample in found]


def open_generator(path: Path | str, *, precision: "Precision" = "fp32") -> "TextGenerator":
    """The model of a run, of a folder that transformers or headrace wrote, or of a GGUF file, ready to continue text.

    Raises InputError if there is none.
    """
    path = Path(path)
    if not is_model(path):
        return open_run(path).open_model(precision)
    wait_asleep()
    from headrace.serve import TextGenerator

    return TextGenerator(path, precision=precision)


def open_predictor(path: Path | str) -> "Predictor":
    """The model of a run that learnt from examples, or of a folder. Raises InputError if there is none."""
    wait_asleep()
    from headrace.serve.predictor import Predictor

    return Predictor(model_path(Path(path)))


def model_path(path: Path) -> Path:
    """Where the model of a run lies; the path itself if that is a model. Raises InputError if there is none."""
    if is_model(path):
        return path
    artefact = open_run(path).folder.artefact("train")
    artefact.verify()
    return artefact.path


def is_model(path: Path) -> bool:
    """Whether a path looks like a model by itself: a GGUF file, or a folder with a config."""
    return path.suffix == ".gguf" or (path / "config.json").is_file()


def open_run(path: Path | str) -> Run:
    """The run in a folder. Raises InputError if there is none."""
    folder = RunFolder(Path(path))
    folder.read()
    return Run(folder)
