"""The step that makes splits of labelled examples."""

from collections.abc import Mapping
from pathlib import Path

from headrace.config import Config
from headrace.examples import ExamplesConfig
from headrace.examples.find import find_examples
from headrace.pipeline.identity import identity_of
from headrace.store import Artefact, StepSpec, Store, Workspace

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
    inputs = {split: identity_of(listed, store) for split, listed in files.items()}
    spec = StepSpec("examples", EXAMPLES_VERSION, ExamplesSettings(examples=config, seed=seed), inputs)

    def build(workspace: Workspace) -> Mapping[str, object]:
        from headrace.examples.build import build_examples  # brings the kernels' compiler: see above

        return build_examples(config, files, seed=seed, workspace=workspace)

    return store.ensure(spec, build)
