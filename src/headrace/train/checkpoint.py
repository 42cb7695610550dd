"""Checkpoints: folders `step-N`, whole or not there, written in the background, believed only after their hashes agree.

A step is copied in memory while the next one computes (its update alone waits for that), written beside its final
name, hashed, synced, and renamed. The newest that verifies is the one that is resumed; a damaged one is removed with a
warning that names its file.
"""

import logging
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import orjson
from safetensors.torch import load_file
from torch import Tensor

from headrace.config import Config
from headrace.errors import StoreError
from headrace.store import publish_folder, write_file
from headrace.store.artefact import FileRecord, describe_files, find_damage
from headrace.store.durable import remove_folder
from headrace.trace import span
from headrace.train.config import CheckpointConfig
from headrace.train.memory.tensor_file import AT_ONCE, Writing, write_tensors
from headrace.train.progress import Progress
from headrace.train.state import TrainState, copy_into

logger = logging.getLogger("headrace")

MANIFEST = "manifest.json"
TENSORS = "state.safetensors"
PROGRESS = "progress.json"


class CheckpointManifest(Config):
    """Written last: how every file of the folder must read. It holds nothing else, so a changed bit shows."""

    files: dict[str, FileRecord]


class Checkpoints:
    """The checkpoints of one stage. Only the leading process writes; every process may read."""

    def __init__(
        self, folder: Path, config: CheckpointConfig, *, always_kept: int | None = None, writing: Writing = AT_ONCE
    ) -> None:
        """always_kept: a step whose checkpoint is never removed."""
        self._folder, self._config, self._always_kept, self._how = folder, config, always_kept, writing
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._room: dict[str, Tensor] = {}
        self._is_read = Event()
        self._is_read.set()
        self._last_seconds = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def clean(self) -> None:
        """Removes what a killed writer left behind. For the leading process, before anything is written."""
        for leftover in self._folder.glob(".*"):
            shutil.rmtree(leftover)

    def newest(self) -> int:
        """The step of the newest checkpoint whose hashes agree, or 0. Removes those it passes over, with a warning.

        For the leading process. What stays behind would count as one of those that are kept, and keep its own step
        from being written anew.
        """
        for path in sorted(self._folder.glob("step-*"), reverse=True):
            if not (damage := self._damage(path)):
                return int(path.name.removeprefix("step-"))
            logger.warning("%s Removing this checkpoint and taking the one before.", damage)
            remove_folder(path)
        return 0

    def load(self, step: int) -> tuple[dict[str, Tensor], Progress]:
        """Tensors and progress of a checkpoint. A best one that is no longer whole is forgotten, with a warning.

        Raises StoreError if the checkpoint itself is damaged.
        """
        path = self.path_of(step)
        progress = Progress.model_validate_json((path / PROGRESS).read_bytes())
        if progress.best_step is not None and (damage := self._damage(self._path(progress.best_step))):
            logger.warning("%s The best model so far is lost; the best from here on is published.", damage)
            progress = progress.without_best()
        return load_file(path / TENSORS), progress

    def path_of(self, step: int) -> Path:
        """The folder of a checkpoint. Raises StoreError if it is damaged or not there."""
        if damage := self._damage(self._path(step)):
            raise StoreError(f"{damage} Run again: training continues from a checkpoint that is whole.")
        return self._path(step)

    def is_due(self, *, keep: bool = False) -> bool:
        """Whether it is time to write the state: nothing is being written, or it must be kept as the best so far."""
        busy = self._writing is not None and not self._writing.done()
        due = time.monotonic() - self._last_seconds >= self._config.every_seconds
        return keep or (due and not busy)

    def offer(self, state: TrainState, *, keep: bool = False) -> None:
        """Writes the state if it is time to."""
        if self.is_due(keep=keep):
            self.write(state)

    def write(self, state: TrainState) -> None:
        """Writes the state in the background, once an earlier one is written. See `let_change`."""
        with span("checkpoint_stall", step=state.progress.step):
            self.wait()
            self._is_read.clear()
            self._writing = self._pool.submit(self._copy_and_write, state.tensors(), state.progress)
            if not self._how.copied:
                self.wait()
        self._last_seconds = time.monotonic()

    def let_change(self) -> None:
        """Returns when nobody reads the state any more. To be called before anything of it changes."""
        if not self._is_read.is_set():
            with span("checkpoint_stall"):
                self._is_read.wait()

    def wait(self) -> None:
        """Returns when nothing is being written. Raises what the writer raised."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def close(self) -> None:
        try:
            self.wait()
        finally:
            self._pool.shutdown()
            self._room.clear()

    def _copy_and_write(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        try:
            if self._how.copied:
                tensors = copy_into(self._room, tensors)
                self._is_read.set()
            self._write(tensors, progress)
        finally:
            self._is_read.set()

    def _write(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        final = self._path(progress.step)
        if final.exists():
            return
        staged = self._folder / f".{final.name}.tmp"
        staged.mkdir()
        with span("checkpoint_write", step=progress.step):
            write_tensors(tensors, staged / TENSORS, shelf=self._how.shelf)
            write_file(staged / PROGRESS, progress.model_dump_json().encode())
            manifest = CheckpointManifest(files=describe_files(staged))
            write_file(staged / MANIFEST, manifest.model_dump_json().encode())
            publish_folder(staged, final)
        self._remove_old(progress)

    def _remove_old(self, progress: Progress) -> None:
        protected = {self._path(step) for step in (progress.best_step, *self.always_kept()) if step}
        paths = sorted(self._folder.glob("step-*"))
        for path in paths[: -self._config.keep]:
            if path not in protected:
                remove_folder(path)

    def always_kept(self) -> list[int]:
        """The step that is never removed, and the best before it; none where that is not written yet."""
        if self._always_kept is None or not (path := self._path(self._always_kept) / PROGRESS).exists():
            return []
        best = Progress.model_validate_json(path.read_bytes()).best_step
        return sorted({self._always_kept, best or self._always_kept})

    def _damage(self, path: Path) -> str | None:
        try:
            files = self._manifest(path).files
        except (OSError, ValueError):
            return f"{path / MANIFEST}: not readable."
        return next(iter(find_damage(path, files)), None)

    def _manifest(self, path: Path) -> CheckpointManifest:
        return CheckpointManifest.model_validate(orjson.loads((path / MANIFEST).read_bytes()))

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}"
