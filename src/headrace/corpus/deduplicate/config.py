"""What a user writes under `deduplicate`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from headrace.config import Config
from headrace.corpus.deduplicate.text_config import MeaningConfig, SubstringsConfig

Unit = Literal["auto", "words", "characters"]


class BestBy(Config):
    """Keeps the document with the highest value of a ledger column; of equal ones the first."""

    best: str = Field(min_length=1)
    """Name of a numeric ledger column, such as "num_words"."""


Keep = Literal["first", "longest"] | BestBy


class ExactConfig(Config):
    """Of documents with the same content, one stays."""

    method: Literal["exact"] = "exact"
    """Equal content, white space and Unicode form aside."""

    keep: Keep = "first"
    """Which of them stays. "first": in the order of the sources, files and records."""


class MinHashConfig(Config):
    """Of documents that share most of their word n-grams, one stays.

    Two documents of Jaccard similarity s are found with probability 1 - (1 - s**rows)**bands. The hash functions are
    always the same, so that keys of different runs can be compared.
    Source: Broder 1997; bands, Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, 3.4. The settings not given
    are those of FineWeb.
    """

    method: Literal["minhash"] = "minhash"
    """Likeness of n-grams, found by keys that agree."""

    bands: int = Field(default=14, ge=1, le=1024)
    """Number of keys per document. More find more, also of what is less similar."""

    rows: int = Field(default=8, ge=1, le=256)
    """Hashes that must all agree for a key to agree. More find only what is more similar."""

    ngram: int = Field(default=5, ge=1, le=256)
    """Words (or characters, see `unit`) in a row that are compared as one."""

    unit: Unit = "auto"
    """What n-grams are made of. "auto": words, but each character of a script without spaces (Han, kana, Thai, Lao,
    Burmese, Khmer) on its own. "words": whatever stands between spaces. "characters": characters, spaces left out."""

    fold_numbers: bool = True
    """Whether all numbers count as one, as in FineWeb: then reports that differ in their figures only are alike. Write
    false where figures are the content: tables, exercises, weather."""

    confirm: float | None = Field(default=None, gt=0, le=1)
    """Remove a document only if the exact Jaccard similarity of its n-grams, numbers told apart, with those of the
    document that stays is at least this. By default agreeing keys are enough."""

    keep: Keep = "first"
    """Which document of a cluster stays. "first": in the order of the sources, files and records."""


class LineConfig(Config):
    """Lines or paragraphs that occur again and again, in one document or many, are cut out.

    They are compared without case, accents, punctuation and white space.
    Source: CCNet, arXiv 1911.00359, section 3.1.
    """

    method: Literal["lines", "paragraphs"]
    """What is compared. Paragraphs are separated by blank lines."""

    keep_first: int = Field(default=1, ge=0)
    """Occurrences that stay, the first ones in the order of the sources, files and records."""

    seen_more_than: int | None = Field(default=None, ge=1)
    """Cut only what occurs more often than this; by default, than `keep_first`. Llama 3: `keep_first: 0` and 6 here."""

    min_characters: int = Field(default=30, ge=1)
    """Shorter ones ("}", "See also") are never cut. Letters and numbers count, and those of scripts without spaces
    count three times."""

    fold_numbers: bool = False
    """Whether all numbers count as one, as in CCNet: then "page 3 of 10" repeats "page 2 of 10", and so does every line
    that differs from another in its figures only."""

    @model_validator(mode="after")
    def _keeps_no_more_than_there_are(self) -> "LineConfig":
        if self.seen_more_than is not None and self.seen_more_than < self.keep_first:
            raise ValueError(f"seen_more_than: want at least keep_first ({self.keep_first}), got {self.seen_more_than}")
        if self.keep_first == 0 and self.seen_more_than is None:
            raise ValueError("keep_first: 0 cuts every line of the corpus; say also from when on: `seen_more_than: 6`")
        return self


def as_steps(value: Any) -> Any:
    """ "none", "minhash", one step or a list of them, as a list of steps written out."""
    if value is None or value == "none":
        return ()
    several = value if isinstance(value, list | tuple) else (value,)
    return tuple({"method": step} if isinstance(step, str) else step for step in several)


DeduplicateStep = Annotated[
    ExactConfig | MinHashConfig | LineConfig | SubstringsConfig | MeaningConfig, Field(discriminator="method")
]


def _check_steps_differ(steps: tuple[DeduplicateStep, ...]) -> tuple[DeduplicateStep, ...]:
    """The steps. Raises ValueError for one that comes again and would find nothing."""
    for number, step in enumerate(steps):
        before = steps[:number]
        if step in before or (step.method == "exact" and any(other.method == "exact" for other in before)):
            raise ValueError(
                f"the step {step.method} is written twice, and the second time it finds nothing; leave one of them out"
            )
    return steps


DeduplicateSteps = Annotated[
    tuple[DeduplicateStep, ...],
    AfterValidator(_check_steps_differ),
    BeforeValidator(as_steps, json_schema_input_type=str | DeduplicateStep | tuple[str | DeduplicateStep, ...] | None),
    Field(strict=False),
]
"""What `deduplicate` holds: steps in order."""
