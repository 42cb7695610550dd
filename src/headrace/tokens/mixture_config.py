"""What a user writes about the data of a training stage."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, model_validator

from headrace.config import Config

Weights = dict[str, Annotated[float, Field(ge=0)]]


class MixturePoint(Config):
    """The weights of all sources from a number of tokens on."""

    tokens: NonNegativeInt
    """Tokens of the stage, counted in whole rows."""
    weights: Weights
    """Source -> weight."""


class MixtureConfig(Config):
    """In what proportions a stage takes rows of each source."""

    weights: Weights = {}
    """Source -> weight; shares of rows are weights by their sum. Every source is named. Left out: weights are the
    tokens of each source, so that all come to an end together."""
    schedule: Annotated[tuple[MixturePoint, ...], Field(strict=False)] = ()
    """Weights that change, in place of `weights`: points in order of `tokens`, the first at 0. At a point every source
    goes on with the row it had come to, so a new point never repeats or skips one."""
    between: Literal["steps", "linear"] = "steps"
    """Between two points of the schedule: the weights of the earlier one, or shares that change linearly."""
    temperature: float = Field(default=1.0, gt=0)
    """Weights are taken to the power of 1 / temperature: above 1, small sources get a larger share."""
    most_epochs: dict[str, Annotated[float, Field(gt=0)]] | Annotated[float, Field(gt=0)] | None = None
    """Passes over a source after which it is used up and leaves its share to the others; one number for all sources, or
    source -> number."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.weights and self.schedule:
            raise ValueError("`weights` and `schedule` both say how much of each source; write one of them")
        tokens = [point.tokens for point in self.schedule]
        if tokens and (tokens[0] or tokens != sorted(set(tokens))):
            raise ValueError(f"points of `schedule` begin at 0 tokens and go up; got {', '.join(map(str, tokens))}")
        for weights in (*([self.weights] if self.weights else []), *(point.weights for point in self.schedule)):
            if not any(weights.values()):
                raise ValueError("weights of a mixture: at least one must be above 0")
        return self


class CorruptionConfig(Config):
    """Inputs that are changed while a model learns from them; what it is to tell stays."""

    drop: float = Field(default=0.0, ge=0, lt=1)
    """Share of input tokens that become the end-of-document token, which says nothing there."""
    swap: float = Field(default=0.0, ge=0, lt=1)
    """Share of input tokens that become a token at random."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0 < self.drop + self.swap <= 1:
            raise ValueError("`drop` and `swap` are shares of the inputs: above 0 and at most 1 together")
        return self


class CurriculumConfig(Config):
    """An order by some score, which becomes a random one."""

    by: str = Field(min_length=1)
    """Column of the corpus's ledger (`num_characters`, `compression_ratio`, `quality_score`, ...), or `num_tokens`. A
    row's score is the mean over its tokens."""
    descending: bool = False
    """Largest first."""
    random_after: float | None = Field(default=0.5, gt=0, le=1)
    """Share of the first pass over a source after which rows come at random; before it, fewer and fewer come in order.
    `null`: all of the first pass is in order. Later passes are random."""
