"""The part of a stage's state that is not tensors."""

from headrace.config import Config
from headrace.train.noise_scale import NoiseScale


class Progress(Config):
    """How far a stage has come, and what was decided on the way. What batch comes next follows from `step` alone."""

    step: int = 0
    """Base batches done with: those of optimiser steps, and of steps that were refused."""
    batch_factor: int = 1
    """Base batches of the step at hand, or of the latest."""
    num_joined: int = 0
    """Base batches that were not the first of their step."""
    noise: NoiseScale | None = None
    """What steps have told of the noise in their gradients, where that decides how large they are."""
    best_step: int | None = None
    """Step with the lowest validation loss so far."""
    best_loss: float | None = None
    """That loss, in nats per token."""
    num_worse: int = 0
    """Measurements since then."""
    rate_factor: float = 1.0
    """What plateaus have left of the learning rate."""
    plateau_loss: float | None = None
    """Lowest validation loss that counted as a fall."""
    num_level: int = 0
    """Measurements since then, or since the rate was lowered."""
    num_skipped: int = 0
    """Steps refused so far."""
    num_skipped_in_a_row: int = 0
    """Those since the last that was taken."""
    num_roll_backs: int = 0
    """Times that the stage has gone back to its best weights."""
    num_undone: int = 0
    """Optimiser steps that were lost by that."""
    recent: tuple[tuple[float, float], ...] = ()
    """Loss and gradient norm of the latest steps taken, where spikes are looked for."""

    @property
    def num_updates(self) -> int:
        """Optimiser steps that the weights have come from."""
        return self.num_global_steps - self.num_skipped - self.num_undone

    @property
    def num_global_steps(self) -> int:
        """Optimiser steps done, undone ones too, and steps refused."""
        return self.step - self.num_joined

    def without_best(self) -> "Progress":
        """The same, with no best model yet."""
        return self.model_copy(update={"best_step": None, "best_loss": None, "num_worse": 0})
