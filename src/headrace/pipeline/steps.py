"""One function per step of the data half and of evaluation: what determines its artefact, and what builds it."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import orjson

from headrace.config import Config
from headrace.corpus.config import CorpusConfig, SourceConfig
from headrace.corpus.curate import CURATE_VERSION, curate
from headrace.corpus.discover import RawFile
from headrace.corpus.measure import MEASURE_VERSION, measure_source
from headrace.corpus.workers import Workers
from headrace.diagnose import check_corpus_disk
from headrace.evaluate.config import EvaluateConfig
from headrace.store import Artefact, StepSpec, Store, Workspace
from headrace.store.fingerprint import digest_file, fingerprint_files, unread_files
from headrace.tokens import ENCODE_VERSION, VOCABULARY_VERSION, build_vocabulary, encode_corpus
from headrace.tokens.config import VocabularyConfig

EVALUATE_VERSION = 1  # here and not beside its code, which imports torch


class MeasureSettings(Config):
    """What a source's scores depend on, besides its files. Rules do not count: they are thresholds over the scores."""

    source: SourceConfig
    normalize: Literal["NFC", "NFKC", "none"]
    quarantine_limit: float


class CurateSettings(Config):
    """What the curated documents depend on, besides the measured ones."""

    corpus: CorpusConfig
    seed: int


class EncodeSettings(Config):
    """What the token store depends on, besides corpus and vocabulary."""

    row_tokens: int


class EvaluateSettings(Config):
    """What an evaluation depends on, besides model and tokens."""

    evaluate: EvaluateConfig
    seed: int


def measure(
    source: SourceConfig, corpus: CorpusConfig, *, files: Sequence[RawFile], store: Store, workers: Workers
) -> Artefact:
    """The documents of one source and all their scores."""
    settings = MeasureSettings(
        source=source.for_measuring(),
        normalize=corpus.normalize,
        quarantine_limit=corpus.quarantine_limit,
    )
    paths, memory = [file.path for file in files], store.root / ".fingerprints.json"
    check_corpus_disk(unread_files(paths, memory=memory), store.root)  # before hours are spent on reading them
    digests = fingerprint_files(paths, memory=memory)
    spec = StepSpec("measure", MEASURE_VERSION, settings, {"files": _digest_all(files, digests)})

    def build(workspace: Workspace) -> Mapping[str, object]:
        check_corpus_disk(paths, store.root)
        return measure_source(
            source,
            normalize=corpus.normalize,
            files=files,
            workspace=workspace,
            workers=workers,
            quarantine_limit=corpus.quarantine_limit,
        )

    return store.ensure(spec, build)


def curate_corpus(
    corpus: CorpusConfig, *, seed: int, measured: Mapping[str, Artefact], store: Store, workers: Workers
) -> Artefact:
    """The documents that may stay, in two splits, and the ledger."""
    inputs = {name: artefact.address for name, artefact in measured.items()}
    spec = StepSpec("curate", CURATE_VERSION, CurateSettings(corpus=corpus, seed=seed), inputs)
    return store.ensure(
        spec,
        lambda workspace: curate(corpus, seed=seed, measured=_verified(measured), workspace=workspace, workers=workers),
    )


def make_vocabulary(config: VocabularyConfig, *, curated: Artefact, folder: Path, store: Store) -> Artefact:
    """The tokenizer: trained on the curated text, or a file below the recipe's folder."""
    inputs = {"corpus": curated.address}
    if config.file is not None and (folder / config.file).is_file():
        inputs = {"file": digest_file(folder / config.file)}
    spec = StepSpec("vocabulary", VOCABULARY_VERSION, config, inputs)
    return store.ensure(
        spec,
        lambda workspace: build_vocabulary(config, curated=_verify(curated), folder=folder, workspace=workspace),
    )


def encode(row_tokens: int, *, curated: Artefact, vocabulary: Artefact, store: Store) -> Artefact:
    """The token store and the plan of its rows."""
    inputs = {"corpus": curated.address, "vocabulary": vocabulary.address}
    spec = StepSpec("tokens", ENCODE_VERSION, EncodeSettings(row_tokens=row_tokens), inputs)
    return store.ensure(
        spec,
        lambda workspace: encode_corpus(
            curated=_verify(curated), vocabulary=_verify(vocabulary), row_tokens=row_tokens, workspace=workspace
        ),
    )


def evaluate(config: EvaluateConfig, *, model: Artefact, tokens: Artefact, seed: int, store: Store) -> Artefact:
    """Figures and samples of a trained model."""
    settings = EvaluateSettings(evaluate=config, seed=seed)
    spec = StepSpec("evaluate", EVALUATE_VERSION, settings, {"model": model.address, "tokens": tokens.address})

    def build(workspace: Workspace) -> Mapping[str, object]:
        from headrace.evaluate.evaluation import evaluate_model  # brings torch, which a finished run does not need

        return evaluate_model(config, model=_verify(model), tokens=_verify(tokens), seed=seed, workspace=workspace)

    return store.ensure(spec, build)


def _digest_all(files: Sequence[RawFile], digests: Sequence[str]) -> str:
    """One digest for the names and bytes of all files of a source."""
    pairs = [[file.name, digest] for file, digest in zip(files, digests, strict=True)]
    return hashlib.sha256(orjson.dumps(pairs)).hexdigest()[:32]


def _verify(artefact: Artefact) -> Artefact:
    artefact.verify()
    return artefact


def _verified(artefacts: Mapping[str, Artefact]) -> dict[str, Artefact]:
    return {name: _verify(artefact) for name, artefact in artefacts.items()}
