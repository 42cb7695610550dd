"""The step that measures a model which learnt from examples, on those that were kept apart."""

from collections.abc import Mapping

from headrace.config import Config
from headrace.evaluate.config import EvaluateConfig
from headrace.objectives.config import ExampleFields, ObjectiveConfig
from headrace.pipeline.supply import Supply
from headrace.store import Artefact, StepSpec, Store, Workspace
from headrace.train.config import StageConfig

TASK_VERSION = 1


class TaskSettings(Config):
    """What the figures depend on, besides model and examples."""

    objective: ObjectiveConfig
    seed: int


def evaluate_task(stage: StageConfig, *, model: Artefact, supply: Supply, seed: int, store: Store) -> Artefact:
    """Figures of a model on the test examples, or on the validation examples where there is no test split."""
    assert isinstance(stage.objective, ExampleFields), "rows of tokens are measured otherwise"
    assert supply.examples is not None, "what learnt from examples has examples"
    examples = supply.examples
    inputs = {"model": model.address, "examples": examples.address}
    if supply.initial is not None:
        inputs["before"] = supply.initial.address
    spec = StepSpec("evaluate", TASK_VERSION, TaskSettings(objective=stage.objective, seed=seed), inputs)

    def build(workspace: Workspace) -> Mapping[str, object]:
        from headrace.evaluate.tasks import measure_task  # brings torch, which a finished run does not need

        for artefact in (model, examples):
            artefact.verify()
        before = supply.initial.path if supply.initial else None
        return measure_task(model.path, examples.path, before=before, seed=seed, folder=workspace.output)

    return store.ensure(spec, build)


class PromptSettings(Config):
    """What the figures of a prompt depend on, besides model and examples."""

    evaluate: EvaluateConfig
    seed: int


def evaluate_prompt(
    config: EvaluateConfig, *, model: Artefact, examples: Artefact, seed: int, store: Store
) -> Artefact:
    """Figures of a model that was never trained for the examples, asked through a template."""
    inputs = {"model": model.address, "examples": examples.address}
    spec = StepSpec("evaluate", TASK_VERSION, PromptSettings(evaluate=config, seed=seed), inputs)
    prompt = config.prompt
    assert prompt is not None, "there is something to ask"

    def build(workspace: Workspace) -> Mapping[str, object]:
        from headrace.evaluate.tasks import measure_prompt  # brings torch, which a finished run does not need

        for artefact in (model, examples):
            artefact.verify()
        return measure_prompt(prompt, model.path, examples.path, seed=seed, folder=workspace.output)

    return store.ensure(spec, build)
