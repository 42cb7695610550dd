"""Models of quality: trained on files of examples, kept in a folder, and asked about every batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.corpus.config import SourceConfig
from headrace.corpus.measure.normal_form import normalize_texts
from headrace.corpus.quality.classifier import LinearModel, train_classifier
from headrace.corpus.quality.config import ClassifierConfig, NgramConfig, QualityConfig
from headrace.corpus.quality.ngram import NgramModel, train_ngram
from headrace.corpus.raw_file import RawFile
from headrace.corpus.read import plan_units, read_batches
from headrace.corpus.texts import Texts
from headrace.errors import InputError

CLASSIFIER, PERPLEXITY = "classifier", "perplexity"
GOOD, BAD, REFERENCE = "good", "bad", "reference"


def example_sources(config: QualityConfig) -> dict[str, SourceConfig]:
    """The files of examples as sources, by what they are examples of."""
    paths: dict[str, Sequence[str]] = {}
    if config.classifier is not None:
        paths |= {GOOD: config.classifier.good, BAD: config.classifier.bad}
    if config.perplexity is not None:
        paths |= {REFERENCE: config.perplexity.reference}
    return {name: SourceConfig(name=name, path=tuple(given)) for name, given in paths.items()}


def train_models(
    config: QualityConfig, *, files: Mapping[str, Sequence[RawFile]], seed: int, output: Path
) -> dict[str, Any]:
    """Trains what the config asks for into folders of `output`; returns the figures on examples left out of training.

    files: those of each of `example_sources`. Raises InputError if there are too few examples.
    """
    sources, summary = example_sources(config), dict[str, Any]()
    texts = {name: _read(source, files[name]) for name, source in sources.items()}
    if config.classifier is not None:
        training = ClassifierConfig(**config.classifier.model_dump(include=set(ClassifierConfig.model_fields)))
        classifier = train_classifier(texts[GOOD], texts[BAD], training, seed=seed)
        classifier.save(output / CLASSIFIER)
        summary[CLASSIFIER] = {"good": len(texts[GOOD]), "bad": len(texts[BAD]), **asdict(classifier.figures)}
    if config.perplexity is not None:
        counting = NgramConfig(**config.perplexity.model_dump(include=set(NgramConfig.model_fields)))
        train_ngram(texts[REFERENCE], counting).save(output / PERPLEXITY)
        summary[PERPLEXITY] = {"documents": len(texts[REFERENCE]), "bytes": int(texts[REFERENCE].sizes.sum())}
    return summary


def score_learned(texts: Texts, folder: Path) -> dict[str, pa.Array]:
    """The columns that the models in a folder give."""
    classifier, perplexity = _load(folder)
    columns: dict[str, pa.Array] = {}
    if classifier is not None:
        columns["quality_score"] = pa.array(classifier.score(texts)).cast(pa.float64())
    if perplexity is not None:
        columns["perplexity"] = pa.array(perplexity.perplexity(texts))
    return columns


@cache
def _load(folder: Path) -> tuple[LinearModel | None, NgramModel | None]:
    classifier = LinearModel.load(folder / CLASSIFIER) if (folder / CLASSIFIER).is_dir() else None
    perplexity = NgramModel.load(folder / PERPLEXITY) if (folder / PERPLEXITY).is_dir() else None
    return classifier, perplexity


def _read(source: SourceConfig, files: Sequence[RawFile]) -> Texts:
    """All documents of some files of examples; damaged records are left out."""
    arrays = list(_texts(source, files))
    if not arrays:
        raise InputError(f"quality: the files given as `{source.name}` hold no readable document. Check the paths.")
    return normalize_texts(Texts.from_arrow(pa.concat_arrays(arrays)), "NFC")


def _texts(source: SourceConfig, files: Sequence[RawFile]) -> Iterator[pa.Array]:
    for unit in plan_units(source, files):
        for part in unit.parts:
            for batch in read_batches(source, part):
                if len(batch):
                    yield batch.texts.to_arrow()
