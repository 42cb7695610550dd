"""What `headrace tune` looks for: which keys of a recipe, between what bounds, by what measure."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, NonNegativeInt, PositiveInt, Tag, model_validator

from headrace.config import Config

FIXED_SECTIONS = {
    "name": "it names the runs",
    "seed": "another seed holds out other documents, and figures of different ones cannot be compared",
    "track": "it changes no figure",
    "tune": "it is the search itself",
}
"""Keys that no search may vary, and why."""


class Range(Config):
    """Numbers from `low` to `high`, both included; whole ones if both are written as whole numbers."""

    low: int | float
    """Smallest value."""
    high: int | float
    """Largest value."""
    log: bool = False
    """Whether ratios matter and not differences, as with learning rates."""
    step: int | float | None = Field(default=None, gt=0)
    """Only `low` and multiples of this above it. None: any number, or any whole number."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low}: on a logarithmic scale it must be above 0")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other; leave one out, or write the values as a list")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are whole."""
        return all(isinstance(each, int) for each in (self.low, self.high, self.step) if each is not None)

    def has(self, value: object) -> bool:
        """Whether a value is one of its numbers."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        if self.is_whole and not isinstance(value, int):
            return False
        return self.step is None or abs((value - self.low) / self.step - round((value - self.low) / self.step)) < 1e-9


Choices = Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]


def _kind(given: Any) -> str:
    return Range.__name__ if isinstance(given, dict | Range) else CHOICES


CHOICES = "choices[]"  # looks like a branch's name, which is left out of what users read
Dimension = Annotated[
    Annotated[Range, Tag(Range.__name__)] | Annotated[Choices, Tag(CHOICES)],
    Discriminator(_kind),
]
"""The values that a key may take: `{low: 1e-4, high: 1e-2, log: true}`, or a list of them."""


class TuneConfig(Config):
    """A search among recipes: `headrace tune` carries it out, `headrace run` takes no notice of it."""

    space: dict[str, Dimension] = {}
    """Key of the recipe (`train.learning_rate`, `train.0.warm_up`, `model.depth`) -> the values it may take."""
    trials: PositiveInt = 20
    """How many recipes are tried in all, those of earlier sessions included."""
    metric: Literal["validation_loss", "validation_accuracy", "bits_per_byte"] = "validation_loss"
    """What a trial is worth: a held-out figure of the last stage's published weights. `bits_per_byte`, of all held-out
    documents, can be compared across vocabularies too; it must be named under `evaluate`."""
    sampler: Literal["tpe", "random"] = "tpe"
    """How values are chosen: after what did well so far (TPE), or at random."""
    random_trials: NonNegativeInt = 10
    """Trials at random before `tpe` begins to choose."""
    pruner: Literal["median", "halving", "hyperband", "none"] = "median"
    """When a trial is given up at a measurement of the held-out loss. `median`: if its best so far is worse than the
    median of the others there. `halving`, `hyperband`: unless it is in the better half at measurement 2, 4, 8 ..."""
    unpruned_trials: NonNegativeInt = 5
    """Finished trials before `median` gives up the first."""
    unpruned_measurements: NonNegativeInt = 1
    """Measurements of each trial before it may be given up."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in self.space:
            section = key.partition(".")[0]
            if section in FIXED_SECTIONS:
                raise ValueError(f"space: `{key}` cannot be searched: {FIXED_SECTIONS[section]}")
        tokens = [key for key in self.space if key.partition(".")[0] == "tokens"]
        if tokens and self.metric == "validation_loss":
            raise ValueError(
                f"space: `{tokens[0]}` changes what a token is, so that losses per token cannot be compared; write "
                "`metric: bits_per_byte`, and `evaluate: [bits_per_byte]`"
            )
        return self
