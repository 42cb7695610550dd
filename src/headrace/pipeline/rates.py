"""The search for a learning rate as a step: the same stage and sweep have the same table."""

from collections.abc import Mapping
from typing import Any

from headrace.config import Config
from headrace.models.foreign import AnyModelConfig
from headrace.pipeline.supply import Supply
from headrace.pipeline.training import TrainSettings, threads_here
from headrace.store import Artefact, StepSpec, Store, Workspace
from headrace.train.config import CheckpointConfig, StageConfig
from headrace.train.schedule_config import ScheduleConfig
from headrace.train.sweep_config import SweepConfig

RATES_VERSION = 1


class RateSettings(Config):
    """What the table depends on, besides tokens and vocabulary."""

    stage: StageConfig
    model: AnyModelConfig
    seed: int
    sweep: SweepConfig


def find_rate(settings: TrainSettings, sweep: SweepConfig, *, supply: Supply, store: Store) -> Artefact:
    """The table of rates and losses; the suggestion is in its summary."""
    # The rate and how it goes are what is looked for: the table is the same for any.
    unused = StageConfig()
    stage = settings.stage.model_copy(
        update={
            "learning_rate": unused.learning_rate,
            "warm_up": unused.warm_up,
            "cool_down": unused.cool_down,
            "schedule": ScheduleConfig(),
            "epochs": None,
            "tokens": None,
            "checkpoint": CheckpointConfig(),
        }
    )
    given = supply.of(stage)
    identity = RateSettings(stage=stage, model=settings.model, seed=settings.seed, sweep=sweep)

    def build(workspace: Workspace) -> Mapping[str, Any]:
        from headrace.train.given import Stage
        from headrace.train.rate_finder import find_rate as sweep_rates

        for artefact in given.artefacts.values():
            artefact.verify()
        trained = Stage(
            config=stage,
            model=settings.model,
            seed=settings.seed,
            tokens=given.stored.tokens if given.stored else None,
            remote=given.stored.remote if given.stored else None,
            examples=given.examples,
            vocabulary=given.vocabulary,
            initial=given.initial,
            workspace=workspace,
            num_threads=threads_here(),
        )
        return sweep_rates(trained, sweep)

    inputs = {name: artefact.address for name, artefact in given.artefacts.items()}
    return store.ensure(StepSpec("rates", RATES_VERSION, identity, inputs), build)
