"""What a user writes under `corpus.quality`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from headrace.config import Config
from headrace.corpus.settings import Paths, Share


class ClassifierConfig(Config):
    """How a linear classifier is trained."""

    bucket_bits: int = Field(default=20, ge=8, le=26)
    """Features are hashed into 2 to the power of this many weights of 4 bytes each."""

    order: int = Field(default=2, ge=1, le=3)
    """Longest run of words that is a feature. Runs of characters of unspaced scripts may be one longer."""

    run_bytes: int = Field(default=4, ge=0, le=8)
    """Bytes of the runs of bytes that are features too: they see damage inside words. 0: no such features."""

    epochs: int = Field(default=4, ge=1, le=100)
    """How often training goes over the examples."""

    learning_rate: float = Field(default=0.3, gt=0, le=10)
    """Step size of Adagrad."""

    held_out: Share = Field(default=0.1, gt=0, le=0.5)
    """Share of the examples that the reported figures are measured on: "10%" or 0.1. Training never sees them."""


class NgramConfig(Config):
    """How an n-gram model is trained."""

    order: int = Field(default=3, ge=2, le=5)
    """Longest run of words (characters in scripts written without spaces) that is counted."""

    spelling_order: int = Field(default=4, ge=1, le=6)
    """Longest run of bytes that is counted for spelling words that are not in the vocabulary."""

    minimum_count: int = Field(default=2, ge=1)
    """Words that are rarer in the reference text are taken as unknown; they teach how likely unknown words are."""


class LearnedQualityConfig(ClassifierConfig):
    """Scores documents by how like the good examples they are, and unlike the bad ones."""

    good: Paths
    """Examples of what to keep."""

    bad: Paths
    """Examples of what to drop."""

    keep: Share | None = Field(default=None, gt=0, le=1)
    """Share of the corpus to keep, the best first: "30%" or 0.3. By default only the score is recorded."""

    keep_by: Literal["bytes", "documents"] = "documents"
    """What `keep` is a share of."""


class PerplexityConfig(NgramConfig):
    """Scores documents by how surprising they are to a model of reference text."""

    reference: Paths
    """Text of the kind that is wanted, 1 to 100 MB."""

    keep: Share | None = Field(default=None, gt=0, le=1)
    """Share of the corpus to keep, the least surprising first. By default only the score is recorded."""


class QualityConfig(Config):
    """Scores that are learnt from examples."""

    classifier: LearnedQualityConfig | None = None
    """A classifier of good against bad text."""

    perplexity: PerplexityConfig | None = None
    """A model of reference text."""

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if self.classifier is None and self.perplexity is None:
            raise ValueError("nothing to learn; write `classifier`, `perplexity` or both, or leave the section out")
        return self
