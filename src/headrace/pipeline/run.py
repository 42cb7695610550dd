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

from headrace.corpus.config import CorpusConfig
from headrace.corpus.decide.context import CurateInputs
from headrace.corpus.decide.rules import check_rules
from headrace.corpus.discover import find_files
from headrace.corpus.measure.config import MeasureSettings
from headrace.corpus.quantity import quantities_of
from headrace.corpus.raw_file import RawFile
from headrace.corpus.workers import EngineKind, Limits, Workers, open_engine
from headrace.errors import CapacityError, DamageError, RecipeError
from headrace.models.foreign import AnyModelConfig
from headrace.models.given import GivenModel
from headrace.pipeline import steps
from headrace.pipeline.compared import check_compared
from headrace.pipeline.examples_step import make_examples
from headrace.pipeline.given_model import described_model, take_in_model
from headrace.pipeline.quarantine import keep_quarantine
from headrace.pipeline.rates import find_rate
from headrace.pipeline.result import Run
from headrace.pipeline.stored_tokens import StoredTokens, find_tokens
from headrace.pipeline.supply import Supply
from headrace.pipeline.task_step import evaluate_task
from headrace.pipeline.threads import wait_asleep
from headrace.pipeline.training import TrainSettings, train
from headrace.recipe import Recipe
from headrace.report.html import build_report
from headrace.store import Artefact, RunFolder, RunRecord, StepRecord
from headrace.trace import Listener, event, recording, span
from headrace.train.sweep_config import SweepConfig
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
RATES_SUFFIX = "-rates"
FREE_SHARE = 0.75  # of the free memory, for curation that was given no limit
WORKER_BYTES = 700_000_000  # what one was seen to take; a smaller limit on memory means fewer of them
LEAST_BYTES = 300_000_000
"""Below this no run can stay. One process was seen to take 210 MB for 50 documents and 330 MB for units of 32 MB, pages
that it shares with files not counted."""
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
    reread: bool = False
    """Whether every raw file is read to see whether it has changed, and not only those with another size or time."""
    listeners: Sequence[Listener] = ()
    """Who is told of progress."""

    def with_workers(self, num_workers: int) -> "RunOptions":
        return replace(self, num_workers=num_workers)


def run_recipe(recipe: Recipe, options: RunOptions) -> Run:
    """Carries a recipe out, or what is left of it, and returns its run.

    Raises HeadraceError; everything finished until then is kept, and the same call continues from there.
    """
    wait_asleep()
    _check_memory(options.memory_limit_bytes)
    run = RunFolder(options.runs / recipe.name)
    if recipe.train and importlib.util.find_spec("torch") is None:
        raise RecipeError("train: training needs torch, which is not installed. Run: pip install 'headrace[train]'.")
    raw = _RawText.find(recipe.corpus, recipe.name, options) if recipe.corpus else None
    with run.held(), recording(run.trace_path, options.listeners), span("run"):
        _Road(recipe, options, run).go(raw)
    return Run(run)


def _check_memory(limit_bytes: int | None) -> None:
    """Raises CapacityError for a limit that nobody could keep to."""
    if limit_bytes is not None and limit_bytes < LEAST_BYTES:
        raise CapacityError(
            f"memory limit: got {limit_bytes:,} bytes, and one process that curates text takes "
            f"{LEAST_BYTES / 1e6:,.0f} to {WORKER_BYTES / 1e6:,.0f} MB. Give it {LEAST_BYTES / 1e6:,.0f}MB or more, or "
            "leave the limit out."
        )


def run_sweep(recipe: Recipe, options: RunOptions, sweep: SweepConfig) -> Artefact:
    """The learning rates tried for the recipe's first stage, and the one suggested, in the summary.

    Its steps are noted in a run of their own, `NAME-rates`; texts and tokens are shared with the recipe's.
    """
    if not recipe.train:
        raise RecipeError("the recipe has no `train` section, so there is no stage to find a learning rate for.")
    wait_asleep()
    run = RunFolder(options.runs / f"{recipe.name}{RATES_SUFFIX}")
    raw = _RawText.find(recipe.corpus, recipe.name, options) if recipe.corpus else None
    with run.held(), recording(run.trace_path, options.listeners), span("run"):
        return _Road(recipe, options, run).sweep(raw, sweep)


@dataclass(frozen=True)
class _RawText:
    """A corpus that is yet to be made, checked as far as that goes without reading it."""

    corpus: CorpusConfig
    files: dict[str, list[RawFile]]
    earlier: dict[str, Artefact]

    @classmethod
    def find(cls, corpus: CorpusConfig, run: str, options: RunOptions) -> "_RawText":
        check_rules(corpus)
        check_compared(corpus, options.recipe_folder)
        earlier = {name: _earlier(run, name, options.runs) for name in corpus.earlier}
        files = {source.name: find_files(source, options.recipe_folder) for source in corpus.sources}
        return cls(corpus, files, earlier)


def _earlier(run: str, name: str, runs: Path) -> Artefact:
    """The curated corpus of an earlier run. Raises InputError if there is none."""
    if name == run:
        raise RecipeError(f"corpus.earlier: {name} is this run itself. Name runs that came before it.")
    return RunFolder(runs / name).artefact("curate")


class _Road:
    """The steps of one recipe. The run's record grows with each."""

    def __init__(self, recipe: Recipe, options: RunOptions, run: RunFolder) -> None:
        self._recipe, self._options, self._run = recipe, options, run
        self._store = run.store
        self._before = run.read() if run.record_path.exists() else None
        self._record = RunRecord(
            name=recipe.name,
            recipe=recipe.as_json(),
            recipe_folder=str(options.recipe_folder.absolute()),
            versions=_versions(),
        )

    def go(self, raw: _RawText | None) -> None:
        """All steps, then the report."""
        self._run.quarantine_path.unlink(missing_ok=True)
        if self._options.reread:
            self._store.fingerprints_path.unlink(missing_ok=True)
        if self._recipe.tokens or self._recipe.train:
            self._learn(self._supply(raw))
        else:
            if raw is not None:
                self._curate(raw)
            if self._recipe.examples is not None:
                self._make_examples()
        self._record = self._record.model_copy(update={"finished": True})
        if self._record != self._before or not self._run.report_path.exists():
            self._run.write(self._record)
            with span("report"):
                build_report(self._run)

    def sweep(self, raw: _RawText | None, config: SweepConfig) -> Artefact:
        """All steps up to the tokens, then a search for the first stage's learning rate."""
        supply = self._supply(raw)
        settings = TrainSettings(stage=self._recipe.train[0], model=self._model(supply), seed=self._recipe.seed)
        return self._step("find rate", partial(find_rate, settings, config, supply=supply, store=self._store))

    def _supply(self, raw: _RawText | None) -> Supply:
        """All that the stages are given, made or found."""
        recipe, folder, store = self._recipe, self._options.recipe_folder, self._store
        given = None
        if isinstance(recipe.model, GivenModel):
            given = self._step("model", partial(take_in_model, recipe.model, folder=folder, store=store))
            recipe.check_given(described_model(given))
        examples = self._make_examples() if recipe.examples is not None else None
        if raw is None and recipe.tokens_config.store is not None:
            stored = self._find_tokens()
            return Supply(stored.vocabulary, stored, examples, given)
        curated = self._curate(raw) if raw is not None else None
        vocabulary = given or self._make_vocabulary(curated or examples)
        stored_or_none = self._encode(curated, vocabulary) if curated is not None else None
        return Supply(vocabulary, stored_or_none, examples, given)

    def _make_examples(self) -> Artefact:
        config, folder, seed = self._recipe.examples, self._options.recipe_folder, self._recipe.seed
        assert config is not None, "a recipe without a corpus has examples"
        return self._step("examples", partial(make_examples, config, folder=folder, seed=seed, store=self._store))

    def _make_vocabulary(self, texts: Artefact | None) -> Artefact:
        assert texts is not None, "a recipe has a corpus or examples"
        config, folder = self._recipe.tokens_config.vocabulary, self._options.recipe_folder
        make = partial(steps.make_vocabulary, config, texts=texts, folder=folder, store=self._store)
        return self._step("vocabulary", make)

    def _model(self, supply: Supply) -> AnyModelConfig:
        """What the first stage begins with."""
        if isinstance(self._recipe.model, GivenModel):
            assert supply.initial is not None, "a given model was taken in"
            return described_model(supply.initial)
        return self._recipe.model_config_or_default

    def _curate(self, raw: _RawText) -> Artefact:
        """The curated corpus. Where damage stops it, what was found damaged is kept to be looked at."""
        try:
            return self._carry_out_curation(raw)
        except DamageError as error:
            if self._before is None:
                self._run.write(self._record)
            raise keep_quarantine(self._run, error) from error

    def _carry_out_curation(self, raw: _RawText) -> Artefact:
        corpus, seed, store = raw.corpus, self._recipe.seed, self._store
        memory_limit = self._options.memory_limit_bytes or int(FREE_SHARE * psutil.virtual_memory().available)
        with self._open_workers(raw.files, memory_limit) as workers:
            measured = self._measure(raw, workers)
            derived: dict[str, dict[str, Artefact]] = {}
            for quantity in quantities_of(corpus, self._options.recipe_folder):
                for name, artefact in measured.items():
                    make = partial(steps.derive, quantity, measured=artefact, store=store, workers=workers)
                    found = self._step(f"{quantity.name} {name}", make)
                    derived.setdefault(quantity.key, {})[name] = found
            inputs = CurateInputs(measured, derived, self._options.recipe_folder, raw.earlier)
            make = partial(
                steps.curate_corpus, corpus, inputs, seed=seed, store=store, workers=workers, memory_limit=memory_limit
            )
            return self._step("curate", make)

    def _open_workers(self, files: dict[str, list[RawFile]], memory_limit: int) -> Workers:
        options, limits = self._options, Limits(memory_bytes=memory_limit)
        if memory_limit < WORKER_BYTES:
            event("short_of_memory", limit_bytes=memory_limit, worker_bytes=WORKER_BYTES)
        if options.engine == "ray":
            return open_engine("ray", address=options.ray_address, limits=limits)
        total_bytes = sum(file.size_bytes for listed in files.values() for file in listed)
        num_workers = options.num_workers if total_bytes > SMALL_INPUT_BYTES else 1
        num_workers = max(1, min(num_workers, memory_limit // WORKER_BYTES))
        return Workers(num_workers, limits=limits)

    def _measure(self, raw: _RawText, workers: Workers) -> dict[str, Artefact]:
        corpus, store = raw.corpus, self._store
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
                files=raw.files[source.name],
                quality=quality,
                corpus=corpus,
                store=store,
                workers=workers,
            )
            measured[source.name] = self._step(f"measure {source.name}", make)
        return measured

    def _find_tokens(self) -> StoredTokens:
        """What the recipe names in place of a corpus."""
        config, folder, found = self._recipe.tokens_config, self._options.recipe_folder, list[StoredTokens]()

        def find() -> Artefact:
            found.append(find_tokens(config, folder=folder, store=self._store))
            return found[0].tokens

        tokens = self._step("tokens", find)
        self._note("vocabulary", found[0].vocabulary)
        try:
            self._recipe.check_stages(int(str(tokens.manifest.config["row_tokens"])))
        except ValueError as error:
            raise RecipeError(f"{error} Rows are those of tokens.store.") from error
        return found[0]

    def _encode(self, curated: Artefact, vocabulary: Artefact) -> StoredTokens:
        config = self._recipe.tokens_config
        encoding = steps.EncodeSettings(row_tokens=config.row_tokens, packing=config.packing)
        make = partial(
            steps.encode,
            encoding,
            curated=curated,
            vocabulary=vocabulary,
            store=self._store,
            num_threads=self._options.num_workers,
        )
        return StoredTokens(self._step("tokens", make), vocabulary)

    def _learn(self, supply: Supply) -> None:
        recipe, trained = self._recipe, self._train(supply)
        if not trained:
            return
        model, last = trained[-1], recipe.train[-1]
        if last.learns_from_examples:
            before = trained[-2] if len(trained) > 1 else supply.initial
            given = replace(supply, initial=before)
            self._step(
                "evaluate",
                partial(evaluate_task, last, model=model, supply=given, seed=recipe.seed, store=self._store),
            )
        elif recipe.evaluate:
            assert supply.stored is not None, "the recipe was checked"
            make = partial(
                steps.evaluate,
                recipe.evaluate,
                model=model,
                stored=supply.stored,
                seed=recipe.seed,
                store=self._store,
                before=supply.initial,
            )
            self._step("evaluate", make)

    def _train(self, supply: Supply) -> list[Artefact]:
        """The models of all stages, each of which goes on from the one before."""
        models: list[Artefact] = []
        stages, config = self._recipe.train, self._model(supply)
        for number, stage in enumerate(stages):
            label = "train" if len(stages) == 1 else f"train {number}"
            settings = TrainSettings(stage=stage, model=config, seed=self._recipe.seed + number)
            make = partial(
                train,
                settings,
                label=label,
                run=self._run,
                supply=replace(supply, initial=models[-1] if models else supply.initial),
                num_processes=self._options.num_processes,
                listeners=self._options.listeners,
            )
            models.append(self._step(label, make))
            self._run.link_model(models[-1])
        return models

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
