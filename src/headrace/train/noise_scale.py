"""The gradient noise scale, as running means: how many base batches it takes until noise is no more than half.

Source: McCandlish et al. 2018, arXiv 1812.06162, section 2.2 and appendix A.1.
"""

import math

from headrace.config import Config

NoiseAndSignal = tuple[float, float]
"""tr(S) over a base batch and |G|^2 as one step tells them: right on average, either may be below zero."""


class NoiseScale(Config):
    """Running means of noise and gradient, apart: the quotient of one step's two would be right not even on average."""

    noise: float = 0.0
    """tr(S) over a base batch, with S the covariance of a gradient."""
    signal: float = 0.0
    """|G|^2, with G the gradient without noise."""
    num_measured: int = 0
    """Steps that told, since the batch was changed or from the start."""

    @property
    def base_batches(self) -> float:
        """The noise scale in base batches; infinite where no gradient shows above the noise."""
        if self.noise <= 0.0:
            return 0.0
        return math.inf if self.signal <= 0.0 else self.noise / self.signal

    def after(self, measured: NoiseAndSignal, *, half_life: int) -> "NoiseScale":
        """These means with one more step, which counts for half after `half_life` others.

        Both begin at zero, which their quotient does not see.
        """
        kept = 0.5 ** (1.0 / half_life)
        noise, signal = (
            kept * mean + (1.0 - kept) * new for mean, new in zip((self.noise, self.signal), measured, strict=True)
        )
        return NoiseScale(noise=noise, signal=signal, num_measured=self.num_measured + 1)
