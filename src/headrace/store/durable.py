"""Writing that survives a kill or a power cut: flush, fsync, rename, fsync the parent.

A rename is atomic for readers on POSIX; that it lasts needs the fsyncs on both sides of it.
"""

import os
import shutil
import uuid
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Replaces `path` by `data` in one step: a reader sees the old bytes or the new ones, never a mixture."""
    temporary = path.with_name(f".{path.name}.tmp-{uuid.uuid4().hex[:8]}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Waits until the bytes of `path` are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Waits until the names in `folder` are on the disk. Does nothing where folders cannot be opened (Windows)."""
    if os.name == "posix":
        sync_file(folder)


def files_below(folder: Path) -> list[Path]:
    """All regular files under `folder`, sorted by their path relative to it."""
    return sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda p: p.relative_to(folder).as_posix()
    )


def publish_folder(staged: Path, final: Path) -> None:
    """Gives a finished folder its final name, durably and in one rename.

    The caller has written everything, the manifest last. Both paths must lie on one filesystem.
    Raises FileExistsError if `final` is already there: published folders are never overwritten.
    """
    if final.exists():
        raise FileExistsError(final)
    for path in files_below(staged):
        sync_file(path)
    for folder in [*(p for p in staged.rglob("*") if p.is_dir()), staged]:
        sync_folder(folder)
    staged.rename(final)
    sync_folder(final.parent)


def remove_folder(folder: Path) -> None:
    """Removes a folder so that no reader can take what is left of it for a whole one: renamed first, then deleted.

    Of a folder that lies elsewhere and is only linked here, the link is removed.
    """
    if folder.is_symlink():
        folder.unlink()
        return
    if not folder.exists():
        return
    doomed = folder.with_name(f".{folder.name}.gone-{uuid.uuid4().hex[:8]}")
    folder.rename(doomed)
    shutil.rmtree(doomed)
