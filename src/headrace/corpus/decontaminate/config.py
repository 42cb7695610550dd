"""What a user writes so that evaluation data stays out of the corpus."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from headrace.config import Config
from headrace.corpus.settings import Share


class EvaluationSet(Config):
    """A file of questions, passages or answers that a model will be judged by."""

    name: str = Field(pattern=r"^\w[\w.-]*$")
    """Name of the set in tables and reports."""

    path: str = Field(min_length=1)
    """The file, relative to the recipe's folder: JSON lines if it ends in `.jsonl`, else text with an item a line."""

    fields: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("text",)
    """JSON lines only: the fields that make up an item, each looked for on its own ("question", "passage")."""


class DecontaminateConfig(Config):
    """Finds runs of words that documents share with evaluation items.

    Source: 13-grams as in GPT-3 (Brown et al. 2020, appendix C), which removed 200 characters around each.
    """

    sets: Annotated[tuple[EvaluationSet, ...], Field(strict=False, min_length=1)]
    """The evaluation sets."""

    mode: Literal["document", "span"] = "document"
    """"document": a document with a hit goes. "span": the passage goes, and what is around it."""

    ngram_words: int = Field(default=13, ge=2)
    """Words in a row that make a hit. Case, punctuation, accents and white space do not count."""

    ngram_characters: int = Field(default=20, ge=4)
    """The same for items in scripts written without spaces. 13 Chinese words are 20 characters."""

    shortest_words: PositiveInt = 8
    """Items shorter than an n-gram are looked for as a whole, down to this length; GPT-3's was 8 as well."""

    shortest_characters: PositiveInt = 12
    """The same for items in scripts written without spaces."""

    least_distinct: PositiveInt = 4
    """Different words or characters of an n-gram; rows of zeros or dashes have fewer and are not looked for."""

    item_share: Share = Field(default=0.0, ge=0, le=1)
    """Least share of an item's n-grams that a document must hold; 0: a single one is enough."""

    ignore_above: PositiveInt | None = None
    """N-grams in more documents than this are taken for common phrases and ignored; GPT-3's limit was 10."""

    window_characters: int = Field(default=200, ge=0)
    """Mode "span": what goes on either side of a hit."""

    shortest_piece_bytes: int = Field(default=200, ge=0)
    """Mode "span": pieces of a document that are shorter than this go too."""

    most_pieces: PositiveInt = 10
    """Mode "span": a document that would fall into more pieces goes as a whole."""

    @model_validator(mode="after")
    def _shortest_are_not_longer(self) -> "DecontaminateConfig":
        for unit in ("words", "characters"):
            shortest, ngram = getattr(self, f"shortest_{unit}"), getattr(self, f"ngram_{unit}")
            if shortest > ngram:
                raise ValueError(f"shortest_{unit} is {shortest}, more than the {ngram} of ngram_{unit}")
        return self

    @field_validator("sets")
    @classmethod
    def _names_differ(cls, sets: tuple[EvaluationSet, ...]) -> tuple[EvaluationSet, ...]:
        names = [item.name for item in sets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"every evaluation set needs its own name; used more than once: {', '.join(twice)}")
        return sets
