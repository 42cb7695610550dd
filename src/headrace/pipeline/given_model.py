"""The step that takes in a model which somebody has trained."""

from collections.abc import Mapping
from pathlib import Path

from headrace.config import Config
from headrace.models.config import ModelConfig
from headrace.models.foreign import AnyModelConfig, ForeignConfig
from headrace.models.given import GivenModel
from headrace.pipeline.identity import given_files, identity_of
from headrace.store import Artefact, StepSpec, Store, Workspace

STEP = "model"
MODEL_VERSION = 1


class GivenModelSettings(Config):
    """What a model that is taken in depends on, besides its files."""


def take_in_model(given: GivenModel, *, folder: Path, store: Store) -> Artefact:
    """The model, as every trained one lies in the store; it stands for its own vocabulary too.

    Raises InputError if it cannot be read.
    """
    path = folder / given.hf
    spec = StepSpec(STEP, MODEL_VERSION, GivenModelSettings(), {"files": identity_of(given_files(path), store)})

    def build(workspace: Workspace) -> Mapping[str, object]:
        from headrace.models.convert import take_in  # brings torch, which a finished run does not need

        return take_in(path, workspace.output)

    return store.ensure(spec, build)


def described_model(artefact: Artefact) -> AnyModelConfig:
    """What is known of a model that was taken in."""
    if "foreign" in artefact.summary:
        return ForeignConfig.model_validate(artefact.summary["foreign"])
    return ModelConfig.model_validate(artefact.summary["model"])
