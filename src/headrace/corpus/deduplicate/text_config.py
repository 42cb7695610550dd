"""What a user writes to find repeated passages, and documents that say the same in other words."""

from typing import Literal

from pydantic import Field, PositiveInt

from headrace.config import Config


class SubstringsConfig(Config):
    """Cuts every passage that was there before: of each run of tokens that occurs twice, the first copy stays.

    Source: ExactSubstr of Lee et al. 2022, "Deduplicating Training Data Makes Language Models Better", with two
    differences: tokens are those of `tokens.py`, not of a vocabulary, and one copy is kept.
    """

    method: Literal["substrings"] = "substrings"
    """Repeated passages, within and across documents."""

    min_tokens: int = Field(default=50, ge=4)
    """Shortest passage that is cut. A token is a word, a punctuation mark, or a character of an unspaced script."""

    min_rest_tokens: PositiveInt = 5
    """What is left between two cuts, or between a cut and an end of its document, goes with them if it is shorter."""


class MeaningConfig(Config):
    """Drops documents that are near in meaning to one that stays.

    Source: SemDeDup, Abbas et al. 2023, with one difference: a document goes only if one as near as that stays, so
    that a chain of neighbours never takes away what no survivor resembles.
    """

    method: Literal["meaning"] = "meaning"
    """Nearness of embeddings."""

    encoder: str = Field(min_length=1)
    """Folder with `tokenizer.json` and `model.onnx` (or `onnx/model.onnx`), relative to the recipe's folder."""

    similarity: float = Field(ge=0.5, le=1)
    """Smallest cosine of two embeddings at which one document goes. It depends on the encoder: look at examples."""

    keep: Literal["first", "hard", "easy"] = "first"
    """Which one stays: the first, the one farthest from the centre of its cluster ("hard") or the nearest ("easy")."""

    pooling: Literal["mean", "first"] = "mean"
    """How token vectors become one: their mean, or the first. An encoder that gives one vector a text needs neither."""

    max_tokens: PositiveInt = 256
    """Tokens of a document's beginning that the encoder sees; what comes after does not count."""

    num_clusters: PositiveInt | None = None
    """Only documents of one cluster are compared. By default one for up to 4,096 documents, so that all are, and for
    more as many as the root of their number."""

    num_probes: PositiveInt = 2
    """Clusters that each document is a member of, its nearest: pairs across a border are found too."""
