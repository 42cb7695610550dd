"""The gradient noise scale, as running means: how many base batches it takes until noise is no more than half.

Source: McCandlish et al. 2018, arXiv 1812.06162, section 2.2 and appendix A.1.
"""

import math

from headrace.config import Config

NoiseAndSignal = tuple[float, float]
"""tr(S) over a base batch and |G|^2 as one step tells them: right on average, either may be below zero."""


class NoiseScale(Config):
    """Running means of noise and gradient, apart: the quotient of one step's two would be right not even on average."""

    noise_sum: float = 0.0
    """Of tr(S) over a base batch, with S the covariance of a gradient; a step counts for less the older it is."""
    signal_sum: float = 0.0
    """The same of |G|^2, with G the gradient without noise."""
    weight: float = 0.0
    """The same of 1: what the sums are divided by."""
    num_measured: int = 0
    """Steps that told, since the batch was changed or from the start."""

    @property
    def noise(self) -> float:
        """The mean of tr(S) over a base batch."""
        return self.noise_sum / self.weight

    @property
    def signal(self) -> float:
        """The mean of |G|^2."""
        return self.signal_sum / self.weight

    @property
    def base_batches(self) -> float:
        """The noise scale in base batches; infinite where no gradient shows above the noise."""
        if self.noise_sum <= 0.0:
            return 0.0
        return math.inf if self.signal_sum <= 0.0 else self.noise_sum / self.signal_sum

    def after(self, measured: NoiseAndSignal, *, half_life: int) -> "NoiseScale":
        """These means with one more step, which counts for half after `half_life` others."""
        kept = 0.5 ** (1.0 / half_life)
        return NoiseScale(
            noise_sum=kept * self.noise_sum + measured[0],
            signal_sum=kept * self.signal_sum + measured[1],
            weight=kept * self.weight + 1.0,
            num_measured=self.num_measured + 1,
        )
