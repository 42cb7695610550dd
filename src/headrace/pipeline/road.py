"""The road of a recipe: which steps it takes, in what order, and what each is given."""

from dataclasses import replace
from functools import partial

import psutil

from headrace.corpus.decide.context import CurateInputs
from headrace.corpus.measure.config import MeasureSettings
from headrace.corpus.quantity import quantities_of
from headrace.corpus.raw_file import RawFile
from headrace.corpus.workers import Limits, Workers, open_engine
from headrace.errors import DamageError, RecipeError
from headrace.models.foreign import AnyModelConfig
from headrace.models.given import GivenModel
from headrace.pipeline import steps
from headrace.pipeline.examples_step import make_examples
from headrace.pipeline.given_model import described_model, take_in_model
from headrace.pipeline.options import RunOptions
from headrace.pipeline.quarantine import keep_quarantine
from headrace.pipeline.rates import find_rate
from headrace.pipeline.raw_text import RawText
from headrace.pipeline.record import Steps
from headrace.pipeline.stored_tokens import StoredTokens, find_tokens
from headrace.pipeline.supply import Supply
from headrace.pipeline.task_step import evaluate_prompt, evaluate_task
from headrace.pipeline.training import TrainSettings, train
from headrace.recipe import Recipe
from headrace.store import Artefact, RunFolder
from headrace.trace import event
from headrace.train.sweep_config import SweepConfig

FREE_SHARE = 0.75  # of the free memory, for curation that was given no limit
WORKER_BYTES = 700_000_000  # what one was seen to take; a smaller limit on memory means fewer of them
SMALL_INPUT_BYTES = 1 << 20  # starting worker processes takes longer than reading this much


class Road:
    """The steps of one recipe, in their order."""

    def __init__(self, recipe: Recipe, options: RunOptions, run: RunFolder) -> None:
        self._recipe, self._options, self._run = recipe, options, run
        self._store = run.store
        self._steps = Steps(recipe, options, run)

    def go(self, raw: RawText | None) -> None:
        """All steps, then the report."""
        self._run.quarantine_path.unlink(missing_ok=True)
        if self._options.reread:
            self._store.fingerprints_path.unlink(missing_ok=True)
        if self._recipe.tokens or self._recipe.train:
            self._learn(self._supply(raw))
        else:
            if raw is not None:
                self._curate(raw)
            if self._recipe.evaluate is not None:
                self._ask()
            elif self._recipe.examples is not None:
                self._make_examples()
        self._steps.finish()

    def sweep(self, raw: RawText | None, config: SweepConfig) -> Artefact:
        """All steps up to the tokens, then a search for the first stage's learning rate."""
        supply = self._supply(raw)
        settings = TrainSettings(stage=self._recipe.train[0], model=self._model(supply), seed=self._recipe.seed)
        return self._steps.step("find rate", partial(find_rate, settings, config, supply=supply, store=self._store))

    def _supply(self, raw: RawText | None) -> Supply:
        """All that the stages are given, made or found."""
        recipe, folder, store = self._recipe, self._options.recipe_folder, self._store
        given = None
        if isinstance(recipe.model, GivenModel):
            given = self._steps.step("model", partial(take_in_model, recipe.model, folder=folder, store=store))
            recipe.check_given(described_model(given))
        examples = self._make_examples() if recipe.examples is not None else None
        if raw is None and recipe.tokens_config.store is not None:
            stored = self._find_tokens()
            return Supply(stored.vocabulary, stored, examples, given)
        if examples is not None and recipe.reads_texts_of_examples:
            raw = RawText.of_examples(examples)
        curated = self._curate(raw) if raw is not None else None
        vocabulary = given or self._make_vocabulary(curated or examples)
        stored_or_none = self._encode(curated, vocabulary) if curated is not None else None
        return Supply(vocabulary, stored_or_none, examples, given)

    def _ask(self) -> None:
        """Puts the examples to a model that was never trained for them."""
        recipe, folder, store = self._recipe, self._options.recipe_folder, self._store
        assert isinstance(recipe.model, GivenModel), "the recipe was checked"
        assert recipe.evaluate is not None, "the recipe was checked"
        model = self._steps.step("model", partial(take_in_model, recipe.model, folder=folder, store=store))
        examples = self._make_examples()
        make = partial(evaluate_prompt, recipe.evaluate, model=model, examples=examples, seed=recipe.seed, store=store)
        self._steps.step("evaluate", make)

    def _make_examples(self) -> Artefact:
        config, folder, seed = self._recipe.examples, self._options.recipe_folder, self._recipe.seed
        assert config is not None, "a recipe without a corpus has examples"
        return self._steps.step("examples", partial(make_examples, config, folder=folder, seed=seed, store=self._store))

    def _make_vocabulary(self, texts: Artefact | None) -> Artefact:
        assert texts is not None, "a recipe has a corpus or examples"
        config, folder = self._recipe.tokens_config.vocabulary, self._options.recipe_folder
        make = partial(steps.make_vocabulary, config, texts=texts, folder=folder, store=self._store)
        return self._steps.step("vocabulary", make)

    def _model(self, supply: Supply) -> AnyModelConfig:
        """What the first stage begins with."""
        if isinstance(self._recipe.model, GivenModel):
            assert supply.initial is not None, "a given model was taken in"
            return described_model(supply.initial)
        return self._recipe.model_config_or_default

    def _curate(self, raw: RawText) -> Artefact:
        """The curated corpus. Where damage stops it, what was found damaged is kept to be looked at."""
        try:
            return self._carry_out_curation(raw)
        except DamageError as error:
            if self._steps.is_first:
                self._steps.write()
            raise keep_quarantine(self._run, error) from error

    def _carry_out_curation(self, raw: RawText) -> Artefact:
        corpus, seed, store = raw.corpus, self._recipe.seed, self._store
        memory_limit = self._options.memory_limit_bytes or int(FREE_SHARE * psutil.virtual_memory().available)
        with self._open_workers(raw.files, memory_limit) as workers:
            measured = self._measure(raw, workers)
            derived: dict[str, dict[str, Artefact]] = {}
            for quantity in quantities_of(corpus, self._options.recipe_folder):
                for name, artefact in measured.items():
                    make = partial(steps.derive, quantity, measured=artefact, store=store, workers=workers)
                    found = self._steps.step(f"{quantity.name} {name}", make)
                    derived.setdefault(quantity.key, {})[name] = found
            inputs = CurateInputs(measured, derived, self._options.recipe_folder, raw.earlier)
            make = partial(
                steps.curate_corpus, corpus, inputs, seed=seed, store=store, workers=workers, memory_limit=memory_limit
            )
            return self._steps.step("curate", make)

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

    def _measure(self, raw: RawText, workers: Workers) -> dict[str, Artefact]:
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
            quality = self._steps.step("quality", make)
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
            measured[source.name] = self._steps.step(f"measure {source.name}", make)
        return measured

    def _find_tokens(self) -> StoredTokens:
        """What the recipe names in place of a corpus."""
        config, folder, found = self._recipe.tokens_config, self._options.recipe_folder, list[StoredTokens]()

        def find() -> Artefact:
            found.append(find_tokens(config, folder=folder, store=self._store))
            return found[0].tokens

        tokens = self._steps.step("tokens", find)
        self._steps.note("vocabulary", found[0].vocabulary)
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
        return StoredTokens(self._steps.step("tokens", make), vocabulary)

    def _learn(self, supply: Supply) -> None:
        recipe, trained = self._recipe, self._train(supply)
        if not trained:
            return
        model, last = trained[-1], recipe.train[-1]
        if last.learns_from_examples:
            before = trained[-2] if len(trained) > 1 else supply.initial
            given = replace(supply, initial=before)
            self._steps.step(
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
            self._steps.step("evaluate", make)

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
                track=self._recipe.track,
            )
            models.append(self._steps.step(label, make))
            self._run.link_model(models[-1])
        return models
