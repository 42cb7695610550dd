"""A recipe from its first step to its last."""

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import psutil

from headrace.corpus.decide.context import CurateInputs
from headrace.corpus.decide.rules import check_rules
from headrace.corpus.discover import find_files
from headrace.corpus.measure.config import MeasureSettings
from headrace.corpus.quantity import quantities_of
from headrace.corpus.raw_file import RawFile
from headrace.corpus.workers import EngineKind, Limits, Workers, open_engine
from headrace.errors import RecipeError
from headrace.pipeline import steps
from headrace.pipeline.compared import check_compared
from headrace.pipeline.result import Run
from headrace.pipeline.threads import wait_asleep
from headrace.pipeline.training import TrainSettings, train
from headrace.recipe import Recipe
from headrace.report.html import build_report
from headrace.store import Artefact, RunFolder, RunRecord, StepRecord
from headrace.trace import Listener, event, recording, span
from headrace.version import VERSION

LIBRARIES = (
    "torch",
    "numpy",
    "pyarrow",
    "polars",
    "tokenizers",
    "gigatoken",
    "resiliparse",
    "py3langid",
    "jieba",
    "numba",
)
FREE_SHARE = 0.75  # of the free memory, for curation that was given no limit
WORKER_BYTES = 700_000_000  # what one was seen to take; a smaller limit on memory means fewer of them
SMALL_INPUT_BYTES = 1 << 20  # starting worker processes takes longer than reading this much


@dataclass(frozen=True)
class RunOptions:
    """How a recipe is carried out, none of which changes what comes out."""

    runs: Path = Path("runs")
    """Folder of all runs and their common store."""
    recipe_folder: Path = Path()
    """Where the recipe's relative paths start."""
    num_processes: int = 1
    """Processes that train together."""
    num_workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    """Processes that read and curate text."""
    engine: EngineKind = "local"
    """Where they run: on this machine, or as tasks of a Ray cluster."""
    ray_address: str | None = None
    """Of the cluster; None starts one on this machine."""
    memory_limit_bytes: int | None = None
    """What curation may take, all its processes together; None: three quarters of the memory that is free."""
    listeners: Sequence[Listener] = ()
    """Who is told of progress."""

    def with_workers(self, num_workers: int) -> "RunOptions":
        return replace(self, num_workers=num_workers)


def run_recipe(recipe: Recipe, options: RunOptions) -> Run:
    """Carries a recipe out, or what is left of it, and returns its run.

    Raises HeadraceError; everything finished until then is kept, and the same call continues from there.
    """
    wait_asleep()
    run = RunFolder(options.runs / recipe.name)
    check_rules(recipe.corpus)
    if recipe.train and importlib.util.find_spec("torch") is None:
        raise RecipeError("train: training needs torch, which is not installed. Run: pip install 'headrace[train]'.")
    check_compared(recipe.corpus, options.recipe_folder)
    earlier = {name: _earlier(recipe, name, options.runs) for name in recipe.corpus.earlier}
    files = {source.name: find_files(source, options.recipe_folder) for source in recipe.corpus.sources}
    with run.held(), recording(run.trace_path, options.listeners), span("run"):
        road = _Road(recipe, options, run)
        road.go(files, earlier)
    return Run(run)


def _earlier(recipe: Recipe, name: str, runs: Path) -> Artefact:
    """The curated corpus of an earlier run. Raises InputError if there is none."""
    if name == recipe.name:
        raise RecipeError(f"corpus.earlier: {name} is this run itself. Name runs that came before it.")
    return RunFolder(runs / name).artefact("curate")


class _Road:
    """The steps of one recipe. The run's record grows with each."""

    def __init__(self, recipe: Recipe, options: RunOptions, run: RunFolder) -> None:
        self._recipe, self._options, self._run = recipe, options, run
        self._store = run.store
        self._before = run.read() if (run.path / "run.json").exists() else None
        self._record = RunRecord(
            name=recipe.name,
            recipe=recipe.as_json(),
            recipe_folder=str(options.recipe_folder.absolute()),
            versions=_versions(),
        )

    def go(self, files: dict[str, list[RawFile]], earlier: dict[str, Artefact]) -> None:
        """All steps, then the report."""
        curated = self._curate(files, earlier)
        if self._recipe.tokens or self._recipe.train:
            self._learn(curated)
        self._record = self._record.model_copy(update={"finished": True})
        if self._record != self._before or not self._run.report_path.exists():
            self._run.write(self._record)
            with span("report"):
                build_report(self._run)

    def _curate(self, files: dict[str, list[RawFile]], earlier: dict[str, Artefact]) -> Artefact:
        corpus, seed, store = self._recipe.corpus, self._recipe.seed, self._store
        memory_limit = self._options.memory_limit_bytes or int(FREE_SHARE * psutil.virtual_memory().available)
        with self._open_workers(files, memory_limit) as workers:
            measured = self._measure(files, workers)
            derived: dict[str, dict[str, Artefact]] = {}
            for quantity in quantities_of(corpus, self._options.recipe_folder):
                for name, artefact in measured.items():
                    make = partial(steps.derive, quantity, measured=artefact, store=store, workers=workers)
                    found = self._step(f"{quantity.name} {name}", make)
                    derived.setdefault(quantity.key, {})[name] = found
            inputs = CurateInputs(measured, derived, self._options.recipe_folder, earlier)
            make = partial(
                steps.curate_corpus, corpus, inputs, seed=seed, store=store, workers=workers, memory_limit=memory_limit
            )
            return self._step("curate", make)

    def _open_workers(self, files: dict[str, list[RawFile]], memory_limit: int) -> Workers:
        options, limits = self._options, Limits(memory_bytes=memory_limit)
        if options.engine == "ray":
            return open_engine("ray", address=options.ray_address, limits=limits)
        total_bytes = sum(file.size_bytes for listed in files.values() for file in listed)
        num_workers = options.num_workers if total_bytes > SMALL_INPUT_BYTES else 1
        num_workers = max(1, min(num_workers, memory_limit // WORKER_BYTES))
        return Workers(num_workers, limits=limits)

    def _measure(self, files: dict[str, list[RawFile]], workers: Workers) -> dict[str, Artefact]:
        corpus, store = self._recipe.corpus, self._store
        quality: Artefact | None = None
        if corpus.quality is not None:
            make = partial(
                steps.learn_quality,
                corpus.quality,
                folder=self._options.recipe_folder,
                seed=self._recipe.seed,
                store=store,
            )
            quality = self._step("quality", make)
        measured: dict[str, Artefact] = {}
        for source in corpus.sources:
            settings = MeasureSettings.of(corpus, source)
            make = partial(
                steps.measure,
                settings,
                files=files[source.name],
                quality=quality,
                corpus=corpus,
                store=store,
                workers=workers,
            )
            measured[source.name] = self._step(f"measure {source.name}", make)
        return measured

    def _learn(self, curated: Artefact) -> None:
        config, store, folder = self._recipe.tokens_config, self._store, self._options.recipe_folder
        make = partial(steps.make_vocabulary, config.vocabulary, curated=curated, folder=folder, store=store)
        vocabulary = self._step("vocabulary", make)
        encoding = steps.EncodeSettings(row_tokens=config.row_tokens, packing=config.packing)
        make = partial(
            steps.encode,
            encoding,
            curated=curated,
            vocabulary=vocabulary,
            store=store,
            num_threads=self._options.num_workers,
        )
        tokens = self._step("tokens", make)
        model = self._train(tokens, vocabulary)
        if model and self._recipe.evaluate:
            seed = self._recipe.seed
            make = partial(steps.evaluate, self._recipe.evaluate, model=model, tokens=tokens, seed=seed, store=store)
            self._step("evaluate", make)

    def _train(self, tokens: Artefact, vocabulary: Artefact) -> Artefact | None:
        model: Artefact | None = None
        stages = self._recipe.train
        for number, stage in enumerate(stages):
            label = "train" if len(stages) == 1 else f"train {number}"
            settings = TrainSettings(
                stage=stage, model=self._recipe.model_config_or_default, seed=self._recipe.seed + number
            )
            make = partial(
                train,
                settings,
                label=label,
                run=self._run,
                tokens=tokens,
                vocabulary=vocabulary,
                initial=model,
                num_processes=self._options.num_processes,
                listeners=self._options.listeners,
            )
            model = self._step(label, make)
            self._run.link_model(model)
        return model

    def _step(self, label: str, make: Callable[[], Artefact]) -> Artefact:
        """Carries a step out, announces its begin and end, and notes its artefact in the run's record."""
        event("step_begins", step=label)
        with span("step", step=label) as timed:
            artefact = make()
        self._note(label, artefact)
        event("step_ends", step=label, seconds=timed.seconds, address=artefact.address)
        return artefact

    def _note(self, label: str, artefact: Artefact) -> None:
        step = StepRecord(label=label, address=artefact.address)
        self._record = self._record.model_copy(update={"steps": (*self._record.steps, step)})
        done_before = self._before.steps[: len(self._record.steps)] if self._before else ()
        if self._record.steps != done_before:  # a run done again must not forget for a moment what it leads to
            self._run.write(self._record)


def _versions() -> dict[str, str]:
    """headrace, Python, and the libraries that results depend on, as far as they are installed."""
    found = {"headrace": VERSION, "python": platform.python_version(), "platform": platform.platform()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
