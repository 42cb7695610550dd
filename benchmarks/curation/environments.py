"""Where the peers live: each in an environment of its own below the cache, with pinned versions, made when missing."""

import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
INSTALL_SECONDS = 900
TORCH = "torch==2.13.0"
"""Pinned wherever something asks for torch: a loose range brings gigabytes of CUDA."""

REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "datatrove": (
        "datatrove[io,processing]==0.10.1", "spacy==3.8.18", "jieba==0.42.1", "orjson", "zstandard", "xxhash",
    ),
    # Pins of s3fs and boto3 between which pip would search for long; smart-open reads zstd by backports.zstd.
    "dolma": ("dolma==1.2.1", "s3fs==2023.6.0", "aiobotocore==2.5.0", "boto3==1.26.76", "backports.zstd==1.8.0"),
    # What it would fetch by itself while it runs.
    "data-juicer": ("py-data-juicer==1.6.1", TORCH, "ray==2.60.0", "av==18.1.0", "aiohttp"),
    "nemo-curator": ("nemo-curator==1.4.0", TORCH),
    "text-dedup": ("text-dedup==0.4.0",),
    "libraries": (
        "datasketch==2.0.0", "rensa==0.5.0", "jieba==0.42.1", "rjieba==0.2.2", "orjson", "xxhash", "zstandard",
    ),
    "datasets": ("datasets==5.2.0", "transformers==5.23.0", "pyarrow"),
    "headrace": (),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment that is ready."""

    python: Path
    version: str
    """Version of the package that is measured."""


class Environments:
    """Finds or makes environments below a folder; what cannot be made is remembered with its reason."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._failures: dict[str, str] = {}

    def get(self, name: str, package: str) -> Environment:
        """The environment `name`, ready to run `package`. Raises OSError if it cannot be made."""
        if name in self._failures:
            raise OSError(self._failures[name])
        folder = self._folder / name
        try:
            if not (folder / "installed").exists():
                self._make(folder, REQUIREMENTS[name] or (f"-e{ROOT}[datatrove-words]",))
            return Environment(folder / "bin/python", version_of(folder / "bin/python", package))
        except (subprocess.SubprocessError, OSError) as error:
            self._failures[name] = str(error)
            raise OSError(self._failures[name]) from error

    def _make(self, folder: Path, requirements: tuple[str, ...]) -> None:
        print(f"installing {folder.name} into {folder}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        # torch first: then nothing that asks for any torch brings another.
        for wanted in ([item for item in requirements if item == TORCH], requirements):
            if wanted:
                command = [folder / "bin/python", "-m", "pip", "install", "--quiet", *wanted]
                done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
                if done.returncode:
                    raise OSError(f"pip could not install {' '.join(wanted)}: {last_line(done.stderr)}")
        (folder / "installed").touch()


def version_of(python: Path, package: str) -> str:
    """Version of an installed package in an environment."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def last_line(text: str) -> str:
    """The line of an error that says most: the last, unless it only says that a command failed."""
    lines = [line for line in text.splitlines() if line.strip() and "CalledProcessError" not in line]
    return lines[-1].strip() if lines else "no message"
