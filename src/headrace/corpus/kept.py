"""Finished units: folders that appear whole, outlive a kill, and end up in the artefact."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from headrace.store import publish_folder


def ensure_unit(folder: Path, build: Callable[[Path], None]) -> None:
    """Makes `folder` by filling a temporary one, unless it is there from before a kill. One process per folder."""
    if folder.exists():
        return
    staged = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    build(staged)
    publish_folder(staged, folder)


def place(kept: Path, output: Path) -> None:
    """Gives a kept file its place in the artefact; it stays where it was too, until the artefact is published."""
    try:
        os.link(kept, output)
    except OSError:  # a file system without hard links
        shutil.copyfile(kept, output)
