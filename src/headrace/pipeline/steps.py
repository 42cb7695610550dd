"""One function per step of the data half and of evaluation: what determines its artefact, and what builds it.

What only a build needs is imported by the build: a run that finds everything done answers in a second.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.config import Config
from headrace.corpus.config import CorpusConfig
from headrace.corpus.decide.context import CURATE_VERSION, CurateInputs
from headrace.corpus.derive import DERIVE_VERSION, derive_source
from headrace.corpus.discover import find_files
from headrace.corpus.measure.config import MEASURE_VERSION, MeasureSettings
from headrace.corpus.quality.config import QualityConfig
from headrace.corpus.quantity import Quantity, quantities_of
from headrace.corpus.raw_file import RawFile
from headrace.corpus.workers import Workers
from headrace.diagnose import check_corpus_disk
from headrace.evaluate.config import EvaluateConfig
from headrace.pipeline.compared import compared_paths, digest_files
from headrace.pipeline.identity import identity_of
from headrace.pipeline.stored_tokens import StoredTokens
from headrace.store import Artefact, StepSpec, Store, Workspace
from headrace.store.fingerprint import digest_file, unread_files
from headrace.tokens import ENCODE_VERSION, VOCABULARY_VERSION, TokenStore, build_vocabulary, encode_corpus
from headrace.tokens.config import VocabularyConfig
from headrace.tokens.formats import files_of
from headrace.tokens.packing import Packing

QUALITY_VERSION = 1
EVALUATE_VERSION = 1  # here and not beside its code, which imports torch


class QualitySettings(Config):
    """What the learned models depend on, besides their examples."""

    quality: QualityConfig
    seed: int


class CurateSettings(Config):
    """What the curated documents depend on, besides the measured ones."""

    corpus: CorpusConfig
    seed: int


class EncodeSettings(Config):
    """What the token store depends on, besides corpus and vocabulary."""

    row_tokens: int
    packing: Packing


class EvaluateSettings(Config):
    """What an evaluation depends on, besides model and tokens."""

    evaluate: EvaluateConfig
    seed: int


def learn_quality(config: QualityConfig, *, folder: Path, seed: int, store: Store) -> Artefact:
    """The models that judge quality, trained on the user's examples."""
    from headrace.corpus.measure.learned import example_sources, train_models

    files = {name: find_files(source, folder) for name, source in example_sources(config).items()}
    inputs = {name: identity_of(listed, store) for name, listed in files.items()}
    spec = StepSpec("quality", QUALITY_VERSION, QualitySettings(quality=config, seed=seed), inputs)
    return store.ensure(spec, lambda workspace: train_models(config, files=files, seed=seed, output=workspace.output))


def measure(
    settings: MeasureSettings,
    *,
    files: Sequence[RawFile],
    quality: Artefact | None,
    corpus: CorpusConfig,
    store: Store,
    workers: Workers,
) -> Artefact:
    """The documents of one source and all their scores. They depend on no more of `corpus` than the settings hold.

    What is cheap of what `corpus` needs derived of them is made in the same go, and found by `derive`.
    """
    unread = unread_files(files, memory=store.fingerprints_path)
    check_corpus_disk(_sizes(unread), store.root)  # before hours are spent on reading them
    inputs = {"files": identity_of(files, store)} | ({"quality": quality.address} if quality else {})
    spec = StepSpec("measure", MEASURE_VERSION, settings, inputs)

    def build(workspace: Workspace) -> Mapping[str, object]:
        from headrace.corpus.curate import kernels_after_measuring
        from headrace.corpus.measure.source import measure_source  # brings the kernels' compiler: see above

        check_corpus_disk(_sizes(files), store.root)
        return measure_source(
            settings,
            files=files,
            quality=_verify(quality).path if quality else None,
            workspace=workspace,
            workers=workers,
            later=kernels_after_measuring(corpus),
            alongside=_kept_units(corpus, spec.address, store),
        )

    return store.ensure(spec, build)


def derive(quantity: Quantity, *, measured: Artefact, store: Store, workers: Workers) -> Artefact:
    """What finding similar documents must know of every document of a source, besides its scores."""
    spec = _derive_spec(quantity, measured.address)
    return store.ensure(
        spec, lambda workspace: derive_source(quantity, measured=measured, workspace=workspace, workers=workers)
    )


def _derive_spec(quantity: Quantity, measured: str) -> StepSpec:
    inputs = {"measured": measured}
    if quantity.encoder is not None:
        inputs["encoder"] = digest_files(quantity.encoder)
    return StepSpec(quantity.name, DERIVE_VERSION, quantity.config, inputs)


def _kept_units(corpus: CorpusConfig, measured: str, store: Store) -> dict[Quantity, Path]:
    """Of the quantities that are cheap and not there yet: where `derive` looks for finished units."""
    quantities = [quantity for quantity in quantities_of(corpus, Path()) if quantity.is_cheap]
    addresses = {quantity: _derive_spec(quantity, measured).address for quantity in quantities}
    return {quantity: store.kept_folder(address) for quantity, address in addresses.items() if not store.find(address)}


def curate_corpus(
    corpus: CorpusConfig, inputs: CurateInputs, *, seed: int, store: Store, workers: Workers, memory_limit: int
) -> Artefact:
    """The documents that may stay, in two splits, and the ledger."""
    addresses = {name: artefact.address for name, artefact in inputs.measured.items()}
    addresses |= {f"earlier {name}": artefact.address for name, artefact in inputs.earlier.items()}
    for key, artefacts in inputs.derived.items():
        addresses |= {f"{key} {name}": artefact.address for name, artefact in artefacts.items()}
    addresses |= {name: digest_files(inputs.recipe_folder / path) for name, path in compared_paths(corpus).items()}
    spec = StepSpec("curate", CURATE_VERSION, CurateSettings(corpus=corpus, seed=seed), addresses)

    def build(workspace: Workspace) -> Mapping[str, object]:
        from headrace.corpus.curate import curate  # brings the kernels' compiler: see above

        for artefacts in (inputs.measured, inputs.earlier, *inputs.derived.values()):
            _verified(artefacts)
        return curate(corpus, inputs, seed=seed, workspace=workspace, workers=workers, memory_limit=memory_limit)

    return store.ensure(spec, build)


def make_vocabulary(config: VocabularyConfig, *, texts: Artefact, folder: Path, store: Store) -> Artefact:
    """The tokenizer: trained on the texts of a corpus or of examples, or a file below the recipe's folder."""
    is_corpus = texts.manifest.step == "curate"
    inputs = {"corpus" if is_corpus else "examples": texts.address}
    if config.file is not None:
        inputs = {path.name: digest_file(path) for path in files_of(folder / config.file) if path.is_file()}
    spec = StepSpec("vocabulary", VOCABULARY_VERSION, config, inputs)
    return store.ensure(
        spec,
        lambda workspace: build_vocabulary(
            config,
            shards=_verify(texts).files("train-*.parquet" if is_corpus else "texts/part-*.parquet"),
            folder=folder,
            workspace=workspace,
        ),
    )


def encode(
    settings: EncodeSettings, *, curated: Artefact, vocabulary: Artefact, store: Store, num_threads: int
) -> Artefact:
    """The token store and the plan of its rows."""
    inputs = {"corpus": curated.address, "vocabulary": vocabulary.address}
    spec = StepSpec("tokens", ENCODE_VERSION, settings, inputs)
    return store.ensure(
        spec,
        lambda workspace: encode_corpus(
            curated=_verify(curated),
            vocabulary=_verify(vocabulary),
            row_tokens=settings.row_tokens,
            packing=settings.packing,
            workspace=workspace,
            num_threads=num_threads,
            earlier=_stores_of(vocabulary, store),
        ),
    )


def _stores_of(vocabulary: Artefact, store: Store) -> list[Artefact]:
    """The token stores that were made with a vocabulary by the code of today."""
    return [
        artefact
        for artefact in store.artefacts()
        if artefact.address.startswith("tokens-")
        and (artefact.manifest.step, artefact.manifest.step_version) == ("tokens", ENCODE_VERSION)
        and artefact.manifest.inputs["vocabulary"] == vocabulary.address
    ]


def evaluate(
    config: EvaluateConfig,
    *,
    model: Artefact,
    stored: StoredTokens,
    seed: int,
    store: Store,
    before: Artefact | None = None,
) -> Artefact:
    """Figures and samples of a trained model, beside those of the one that training began with, if there is one."""
    settings = EvaluateSettings(evaluate=config, seed=seed)
    inputs = {"model": model.address, "tokens": stored.tokens.address}
    inputs |= {"before": before.address} if before else {}
    spec = StepSpec("evaluate", EVALUATE_VERSION, settings, inputs)

    def build(workspace: Workspace) -> Mapping[str, object]:
        from headrace.evaluate.evaluation import evaluate_model  # brings torch, which a finished run does not need

        held_out = TokenStore(_verify(stored.tokens), "validation", remote=stored.remote)
        return evaluate_model(
            config,
            model=_verify(model),
            store=held_out,
            seed=seed,
            workspace=workspace,
            before=_verify(before) if before else None,
        )

    return store.ensure(spec, build)


def _sizes(files: Sequence[RawFile]) -> list[tuple[str, int]]:
    return [(file.name, file.size_bytes) for file in files]


def _verify(artefact: Artefact) -> Artefact:
    artefact.verify()
    return artefact


def _verified(artefacts: Mapping[str, Artefact]) -> dict[str, Artefact]:
    return {name: _verify(artefact) for name, artefact in artefacts.items()}
