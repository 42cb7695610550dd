"""The settings of a stage that begins with shorter rows than it ends with."""

from pydantic import Field, PositiveInt

from headrace.config import Config


class LengthWarmUpConfig(Config):
    """Rows cut short at first, each length twice the one before and for as many tokens as every other.

    Short rows are quick and enough for what is learnt first. Source: Li et al. 2022, arXiv 2108.06084.
    """

    from_tokens: PositiveInt
    """Tokens of the first rows, at least; a half, a quarter, an eighth ... of the row."""
    share: float = Field(default=0.3, gt=0, le=1)
    """Share of the stage's tokens after which rows are whole."""
