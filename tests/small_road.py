"""A small bilingual corpus on its way to batches: documents, vocabulary, token store."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.config import Config
from headrace.store import Artefact, StepSpec, Store, Workspace
from headrace.tokens import build_vocabulary, encode_corpus
from headrace.tokens.config import VocabularyConfig

VOCABULARY_SIZE = 400
ROW_TOKENS = 32
END = 0
ENGLISH = ["the", "mill", "turns", "a", "wheel", "of", "water", "while", "every", "river", "runs", "to", "its", "sea"]
CHINESE = "水轮慢转河流入海石磨声夜里春天花开月光照着山"
ODD = ("<|endoftext|> is text here", "🙂👩‍👩‍👧‍👦 e\u0301\u200b\ue000", " \r\n\r\n\t ", "x")


class Settings(Config):
    """Stands for the config of a step."""

    name: str
    row_tokens: int = ROW_TOKENS


@dataclass(frozen=True)
class Road:
    """The artefacts of the data half."""

    store: Store
    curated: Artefact
    vocabulary: Artefact
    tokens: Artefact

    @property
    def tokenizer_path(self) -> Path:
        return self.vocabulary.path / "tokenizer.json"

    def texts(self, split: str) -> list[str]:
        return self.column(split, "text")

    def column(self, split: str, name: str) -> list[str]:
        return [value for path in self.curated.files(f"{split}-*") for value in pq.read_table(path)[name].to_pylist()]


MakeRoad = Callable[..., Road]


def build_road(
    root: Path,
    *,
    train: Sequence[str] | None = None,
    validation: Sequence[str] | None = None,
    vocabulary: VocabularyConfig | None = None,
    row_tokens: int = ROW_TOKENS,
) -> Road:
    """A road below a folder; texts that are not given are those of the small corpus."""
    store = Store(root / "store")
    splits = {
        "train": train if train is not None else [*write_texts(160, seed=1), *ODD],
        "validation": validation if validation is not None else [*write_texts(20, seed=2), *ODD],
    }
    curated = store.ensure(StepSpec("curate", 1, Settings(name="curate"), {}), lambda w: publish_texts(w, splits))
    wanted = vocabulary or VocabularyConfig(train=VOCABULARY_SIZE)
    words = store.ensure(
        StepSpec("vocabulary", 1, Settings(name="vocabulary"), {"corpus": curated.address}),
        lambda w: build_vocabulary(wanted, shards=curated.files("train-*.parquet"), folder=Path(), workspace=w),
    )
    tokens = store.ensure(
        StepSpec("tokens", 1, Settings(name="tokens", row_tokens=row_tokens), {"vocabulary": words.address}),
        lambda w: encode_corpus(curated=curated, vocabulary=words, row_tokens=row_tokens, workspace=w),
    )
    return Road(store, curated, words, tokens)


def write_texts(count: int, *, seed: int) -> list[str]:
    """Texts of very different lengths, every third one Chinese."""
    generator = random.Random(seed)
    texts = []
    for number in range(count):
        length = max(1, int(generator.lognormvariate(2.5, 0.9)))
        chinese = number % 3 == 2
        texts.append(("" if chinese else " ").join(generator.choices(CHINESE if chinese else ENGLISH, k=length)))
    return texts


def publish_texts(workspace: Workspace, splits: dict[str, Sequence[str]]) -> dict[str, int]:
    """What the curate step leaves, in shards of 90 documents."""
    for split, texts in splits.items():
        for shard, start in enumerate(range(0, len(texts), 90)):
            part = texts[start : start + 90]
            table = pa.table(
                {
                    "id": [f"{split == 'train':016x}{start + number:016x}" for number in range(len(part))],
                    "text": part,
                    "source": ["poems" if any(char in CHINESE for char in text) else "novels" for text in part],
                    "language": ["zh" if any(char in CHINESE for char in text) else "en" for text in part],
                    "metadata": ["{}"] * len(part),
                }
            )
            pq.write_table(table, workspace.output / f"{split}-{shard:05d}.parquet", write_page_checksum=True)
    return {}
