"""The learning rate as a function of how much of the stage's tokens has been seen."""

from headrace.train.config import StageConfig


def learning_rate(config: StageConfig, share: float) -> float:
    """Warm-up, stable, decay at `share` in [0, 1] of the stage's tokens.

    Linear from zero in the warm-up; constant; then peak x (1 - sqrt(x)) with x going from 0 to 1 over the cool-down,
    the shape that did best in Haegele et al. 2024, arXiv 2405.18392.
    """
    if share < config.warm_up:
        return config.learning_rate * share / config.warm_up
    left = 1.0 - share
    if left < config.cool_down:
        return config.learning_rate * (1.0 - (1.0 - left / config.cool_down) ** 0.5)
    return config.learning_rate
