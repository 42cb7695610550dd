"""Files besides the sources that a curated corpus depends on: evaluation sets, encoders, tables of synonyms."""

import hashlib
from pathlib import Path

import orjson

from headrace.corpus.config import CorpusConfig
from headrace.corpus.decide.context import AUGMENT_TABLES
from headrace.corpus.deduplicate.text_config import MeaningConfig
from headrace.errors import InputError
from headrace.store.fingerprint import digest_file


def compared_paths(corpus: CorpusConfig) -> dict[str, str]:
    """What they are for -> path, relative to the recipe's folder. Not encoders: their vectors have addresses."""
    sets = corpus.decontaminate.sets if corpus.decontaminate else ()
    tables = ((name, getattr(corpus.augment, name)) for name in AUGMENT_TABLES if corpus.augment)
    return {f"evaluation set {each.name}": each.path for each in sets} | {name: path for name, path in tables if path}


def digest_files(path: Path) -> str:
    """One digest of a file, or of all files below a folder. Raises InputError if there is none."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    try:
        digests = [[file.relative_to(path).as_posix(), digest_file(file)] for file in files]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}). Paths are relative to the recipe's folder.") from error
    return hashlib.sha256(orjson.dumps(digests)).hexdigest()[:32]


def check_compared(corpus: CorpusConfig, folder: Path) -> None:
    """Raises InputError for a file or folder that is named and not there: now, not after a day of measuring."""
    encoders = [("encoder", step.encoder) for step in corpus.deduplicate if isinstance(step, MeaningConfig)]
    for name, path in (*compared_paths(corpus).items(), *encoders):
        if not (folder / path).exists():
            raise InputError(f"{name}: {folder / path} does not exist. Paths are relative to the recipe's folder.")
    if corpus.decontaminate is not None:
        from headrace.corpus.decontaminate.items import read_items

        read_items(corpus.decontaminate.sets, folder)
