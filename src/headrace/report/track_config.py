"""Who is given the curves of training, besides the run's own record."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from headrace.config import Config


class TensorBoardConfig(Config):
    """Event files in the run's folder."""

    name: Literal["tensorboard"] = "tensorboard"
    """`tensorboard --logdir runs` shows them."""


class WandbConfig(Config):
    """A run of Weights & Biases for each stage."""

    name: Literal["wandb"] = "wandb"
    """Needs `headrace[wandb]`."""
    project: str = "headrace"
    """Project that the run belongs to."""
    entity: str | None = None
    """User or team. None: whoever is logged in."""
    mode: Literal["offline", "online"] = "offline"
    """`offline` writes below the run's folder, for `wandb sync` to send; `online` sends while training goes on, for who
    has logged in with `wandb login`."""


class MlflowConfig(Config):
    """A run of MLflow for each stage."""

    name: Literal["mlflow"] = "mlflow"
    """Needs `headrace[mlflow]`."""
    experiment: str = "headrace"
    """Experiment that the run belongs to; made where there is none of that name."""
    uri: str | None = None
    """Server or folder. None: what MLFLOW_TRACKING_URI says, else `mlruns` in the folder of runs."""


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


TrackConfig = Annotated[
    TensorBoardConfig | WandbConfig | MlflowConfig, Field(discriminator="name"), BeforeValidator(_named)
]
"""One of them, by its name alone or with settings."""


def as_list(given: Any) -> Any:
    """What is written of trackers, where a single one may stand without a list."""
    return [given] if isinstance(given, str | dict) else given
