"""What a user writes to balance a corpus."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from headrace.config import Config
from headrace.corpus.settings import Share

ROUNDING = 1e-9


Part = Annotated[Share, Field(ge=0, le=1)]


class Cap(Config):
    """The most that may be taken of a group; what is not given is not limited."""

    max_documents: PositiveInt | None = None
    """Documents, copies counted."""

    max_bytes: PositiveInt | None = None
    """Bytes of text, copies counted."""

    max_epochs: float | None = Field(default=None, gt=0)
    """Times the whole group, below 1 included."""

    @model_validator(mode="after")
    def _limits_something(self) -> "Cap":
        if self.max_documents is None and self.max_bytes is None and self.max_epochs is None:
            raise ValueError("a cap needs max_documents, max_bytes or max_epochs")
        return self


class MixConfig(Config):
    """Gives each group of documents its part of the training text.

    With `targets` or `alpha` the total stays `total`; with caps alone what they take away is not made up for.
    """

    by: str = Field(default="source", pattern=r"^\w+(\.[\w-]+)*$")
    """The ledger column that groups documents, or a field of the metadata: `metadata.label`."""

    measure: Literal["bytes", "documents"] = "bytes"
    """What shares and `total` are shares and totals of."""

    alpha: float | None = Field(default=None, ge=0, le=1)
    """Groups get shares in proportion to size ** alpha: 1 as they are, 0 all equal; 0.3 is usual between languages."""

    targets: dict[str, Part] | None = None
    """Group -> its share. What is left of 1 goes to the groups that are not named, by `alpha`."""

    caps: dict[str, Cap] = Field(default_factory=dict)
    """Group -> the most that is taken of it; "*" is for every group that is not named."""

    total: PositiveInt | None = None
    """Size of the result in units of `measure`; by default that of the documents before."""

    max_repeats: float = Field(default=4.0, ge=1)
    """Most times that a group is gone through. Up to 4 epochs are nearly as good as new text (Muennighoff 2023)."""

    repeats_by_cluster_size: Annotated[tuple[tuple[PositiveInt, PositiveInt], ...], Field(strict=False)] = ()
    """Rows of (least size of a document's cluster of duplicates, copies): text that many copied is likely good.

    Copies count as the group's own size before anything else is done. Source: FineWeb2's rehydration.
    """

    @field_validator("repeats_by_cluster_size", mode="before")
    @classmethod
    def _rows_are_pairs(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple(tuple(row) if isinstance(row, list) else row for row in value)
        return value

    @field_validator("repeats_by_cluster_size")
    @classmethod
    def _sizes_ascend(cls, value: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        sizes = [size for size, _ in value]
        if sizes != sorted(set(sizes)):
            raise ValueError(f"cluster sizes must ascend, got {', '.join(map(str, sizes))}")
        return value

    @model_validator(mode="after")
    def _shares_make_one(self) -> "MixConfig":
        if self.targets is not None and (total := sum(self.targets.values())) > 1 + ROUNDING:
            raise ValueError(f"the targets' shares make {total:.1%}, more than 100%")
        return self
