"""Keys that are made while documents are measured, so that finding near copies need not read all of them again.

They lie in a unit beside its documents, and are handed over to the step that derives them as if a kill had stopped it
when it had them: its artefact is the same, and what it does not find it makes.
"""

import hashlib
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from headrace.corpus.kept import ensure_unit, place
from headrace.corpus.quantity import KEYS_FILE, Keys, Quantity, keys_of, write_all
from headrace.corpus.texts import Texts


class Alongside:
    """Makes the keys of a unit's documents, a batch at a time."""

    def __init__(self, quantities: Sequence[Quantity]) -> None:
        self._keys: dict[Quantity, list[Keys]] = {quantity: [] for quantity in quantities}

    def add(self, texts: Texts) -> None:
        """Takes the documents of a batch, as they are published."""
        for quantity, keys in self._keys.items():
            keys.append(keys_of(texts, quantity))

    def write(self, unit: Path) -> None:
        """Puts the keys into the folder of the unit."""
        for quantity, keys in self._keys.items():
            (folder := _folder_of(unit, quantity)).mkdir()
            write_all(keys, quantity, folder)


def hand_over(units: Sequence[Path], quantity: Quantity, kept: Path) -> None:
    """Puts the keys of a source's units, as far as there are any, where the step that derives them keeps its own."""
    for index, unit in enumerate(units):
        if not (made := _folder_of(unit, quantity)).is_dir():
            continue
        target = kept / f"unit-{index:05d}"
        shutil.rmtree(target, ignore_errors=True)  # of documents that were measured before, and are gone
        ensure_unit(target, partial(_place_keys, made))


def _place_keys(made: Path, folder: Path) -> None:
    place(made / KEYS_FILE, folder / KEYS_FILE)


def _folder_of(unit: Path, quantity: Quantity) -> Path:
    return unit / f"{quantity.name}-{hashlib.sha256(quantity.key.encode()).hexdigest()[:12]}"
