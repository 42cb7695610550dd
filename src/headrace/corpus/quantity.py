"""What finding similar documents must know of every document: named, and made of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from headrace.config import Config
from headrace.corpus.config import CorpusConfig
from headrace.corpus.deduplicate.config import MinHashConfig
from headrace.corpus.deduplicate.text_config import MeaningConfig
from headrace.corpus.texts import Texts

if TYPE_CHECKING:
    from headrace.corpus.first_use import FirstUse

KEYS_FILE, EMBEDDINGS_FILE = "keys.npy", "embeddings.npy"

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing to know of every document."""

    name: str
    """Names its artefacts."""
    config: Config
    """What its values depend on, besides the documents."""
    encoder: Path | None = None
    """Folder of the encoder, where one is needed."""

    @property
    def key(self) -> str:
        """Tells it from every other quantity of a recipe."""
        return f"{self.name} {self.config.model_dump_json()}"

    @property
    def is_cheap(self) -> bool:
        """Whether it costs less than reading the texts once more does."""
        return isinstance(self.config, MinHashConfig)


def quantities_of(config: CorpusConfig, recipe_folder: Path) -> list[Quantity]:
    """What a recipe needs derived, each once."""
    found = (quantity_of(step, recipe_folder) for step in config.deduplicate)
    return list(dict.fromkeys(quantity for quantity in found if quantity is not None))


def quantity_of(step: Config, recipe_folder: Path) -> Quantity | None:
    """What a step of deduplication needs derived; None if it makes do with scores and texts."""
    match step:
        case MinHashConfig():
            return Quantity("minhash", step.model_copy(update={"confirm": None, "keep": "first"}))
        case MeaningConfig():
            seen = step.model_copy(update={"similarity": 1.0, "keep": "first", "num_clusters": None, "num_probes": 1})
            return Quantity("embed", seen, recipe_folder / step.encoder)
    return None


def first_uses(quantities: Sequence[Quantity]) -> list["FirstUse"]:
    """The kernels that deriving some quantities uses."""
    from headrace.corpus.first_use import FirstUse

    asked = {quantity.name: quantity for quantity in quantities if quantity.is_cheap}
    return [FirstUse(name, partial(_use_kernels, quantity)) for name, quantity in asked.items()]


def _use_kernels(quantity: Quantity) -> None:
    """Makes the keys of a small text, for the sake of the kernels that get compiled by it."""
    keys_of(Texts.from_strings(["one text, 短文"]), quantity)


def keys_of(texts: Texts, quantity: Quantity) -> Keys:
    """(N, bands) the MinHash keys of texts."""
    from headrace.corpus.deduplicate.minhash import band_keys  # brings the kernels' compiler

    assert isinstance(quantity.config, MinHashConfig), "the quantity was made from it"
    return band_keys(texts, quantity.config)


def write_all(keys: Sequence[Keys], quantity: Quantity, folder: Path) -> None:
    """Writes the keys of a shard, which were made a piece at a time."""
    from headrace.corpus.deduplicate.keys import write_keys

    assert isinstance(quantity.config, MinHashConfig), "the quantity was made from it"
    write_keys(folder / KEYS_FILE, np.concatenate([np.empty((0, quantity.config.bands), np.uint64), *keys]))
