"""What a user writes to have texts repaired, brought into one script, or multiplied."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from headrace.config import Config

Script = Literal["simplified", "traditional"]
Method = Literal["synonyms", "phrases", "insert", "swap", "delete", "keyboard", "ocr", "sentences"]


class RewriteConfig(Config):
    """How every text is rewritten before it is measured."""

    repair: bool = False
    """Whether what programs broke is mended: text decoded with the wrong encoding, HTML entities, control characters,
    odd line breaks, ligatures, and what nobody sees (zero-width characters, direction marks, soft hyphens)."""

    full_width: bool = False
    """Whether full-width Latin letters and digits become ordinary ones. Chinese punctuation stays as it is."""

    script: Literal["keep"] | Script = "keep"
    """Script of Chinese texts: phrase by phrase, so that 后 becomes 後 or 后 as the meaning asks."""


class AugmentConfig(Config):
    """How many changed copies a training document gets, and how they are changed."""

    methods: Annotated[tuple[Method, ...], Field(strict=False, min_length=1)]
    """Copies use them in turn, one each. synonyms, phrases: from the tables below. insert, swap, delete: words.
    keyboard: keys beside each other, Latin letters only. ocr: look-alikes. sentences: exchanged within a line."""

    copies: PositiveInt = 1
    """Copies of each document at most: one that comes out unchanged or like an earlier one is left out."""

    rate: float = Field(default=0.1, gt=0, le=0.5)
    """Largest share of a document's words (sentences: of its sentences) that a copy changes."""

    synonyms: str | None = None
    """Folder of WordNet's data files (index.noun, data.noun ...), or a JSON file: word to list of words, list of
    groups, or the tree of Tongyici Cilin."""

    phrases: str | None = None
    """JSON file: phrase to list of phrases that may stand in its place."""

    seed: int
    """Seed of every choice, together with the document's id and the number of the copy."""

    @model_validator(mode="after")
    def _has_tables(self) -> "AugmentConfig":
        for name in ("synonyms", "phrases"):
            if name in self.methods and getattr(self, name) is None:
                raise ValueError(
                    f'the method "{name}" needs a table: give `{name}`, the path of one, or leave the method out'
                )
        return self
