"""The step that makes splits of labelled examples."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from headrace.config import Config
from headrace.corpus.raw_file import RawFile
from headrace.examples import ExamplesConfig
from headrace.examples.find import find_examples
from headrace.store import Artefact, StepSpec, Store, Workspace
from headrace.store.fingerprint import fingerprint_files

EXAMPLES_VERSION = 1  # here and not beside its code, which brings the kernels' compiler


class ExamplesSettings(Config):
    """What examples depend on, besides their files."""

    examples: ExamplesConfig
    seed: int


def make_examples(config: ExamplesConfig, *, folder: Path, seed: int, store: Store) -> Artefact:
    """The examples of a recipe in its folder, split and written down: found, or built now.

    Raises InputError for files that are missing or hold no examples.
    """
    files = find_examples(config, folder)
    inputs = {split: _fingerprint(listed, store) for split, listed in files.items()}
    spec = StepSpec("examples", EXAMPLES_VERSION, ExamplesSettings(examples=config, seed=seed), inputs)

    def build(workspace: Workspace) -> Mapping[str, object]:
        from headrace.examples.build import build_examples  # brings the kernels' compiler: see above

        return build_examples(config, files, seed=seed, workspace=workspace)

    return store.ensure(spec, build)


def _fingerprint(files: Sequence[RawFile], store: Store) -> str:
    """One digest for the names and bytes of all files of a split."""
    digests = fingerprint_files(files, memory=store.fingerprints_path)
    pairs = [[file.name, digest] for file, digest in zip(files, digests, strict=True)]
    return hashlib.sha256(orjson.dumps(pairs)).hexdigest()[:32]
