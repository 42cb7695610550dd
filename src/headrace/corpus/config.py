"""What a user writes under `corpus`."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from headrace.config import Config
from headrace.corpus.presets import PRESETS, Rule

Format = Literal["text", "jsonl", "parquet", "html"]


def parse_share(value: object) -> object:
    """A share written as "2%" becomes 0.02; everything else is left for the type check."""
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value)):
        return round(float(match[1]) / 100, 12)  # "7%" is 0.07, not 0.07000000000000001
    return value


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Share = Annotated[float, BeforeValidator(parse_share, json_schema_input_type=float | str)]
Curation = Annotated[tuple[str | Rule, ...], Field(strict=False)]


def _check_presets(curation: Curation | None) -> Curation | None:
    for entry in curation or ():
        if isinstance(entry, str) and entry not in PRESETS:
            raise ValueError(
                f'no preset is called "{entry}"; there are {", ".join(PRESETS)}, or write {{rule: "num_words >= 20"}}'
            )
    return curation


class SourceConfig(Config):
    """One body of text: where its files lie and how they are read."""

    name: str = Field(pattern=r"^\w[\w.-]*$")
    """Name of the source in every table and report."""

    path: Annotated[
        tuple[str, ...],
        BeforeValidator(_as_list, json_schema_input_type=str | tuple[str, ...]),
        Field(strict=False, min_length=1),
    ]
    """Files, folders or globs (`**` included), relative to the recipe's folder. A folder: all text files below it."""

    format: Format | None = None
    """How to read the files; by default each file's suffix says it."""

    text: str = Field(default="text", min_length=1)
    """Field or column that holds the text, in JSON lines and Parquet."""

    document_start: str | None = None
    """Regular expression, plain text only: each line that begins with a match begins a document."""

    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}$")
    """ISO 639 code of the whole source; by default each document's language is identified."""

    curate: Curation | None = None
    """Presets and rules for this source, in place of the corpus-wide ones."""

    _presets_exist = field_validator("curate")(_check_presets)

    @field_validator("document_start")
    @classmethod
    def _is_expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    def for_measuring(self) -> "SourceConfig":
        """The source without what only later steps look at: what the address of its measured documents is made of."""
        return self.model_copy(update={"curate": None})


class CorpusConfig(Config):
    """From raw files to training and validation documents."""

    sources: Annotated[tuple[SourceConfig, ...], Field(strict=False, min_length=1)]
    """The bodies of text. Their order decides which of two equal documents is kept: the one that comes first."""

    normalize: Literal["NFC", "NFKC", "none"] = "NFC"
    """Unicode form of the text; line ends become one newline character. "none" leaves every character as it is."""

    curate: Curation = ()
    """Presets and rules that a document must pass. Empty: every readable document does."""

    deduplicate: Literal["exact", "none"] = "exact"
    """"exact": of documents that differ at most in white space and Unicode form, one is kept."""

    hold_out: Share = Field(default=0.02, ge=0, lt=1)
    """Share of each source's documents that become validation documents: "2%" or 0.02."""

    quarantine_limit: Share = Field(default=0.05, ge=0, le=1)
    """Share of a source's records that may be damaged before the run stops: "5%" or 0.05."""

    _presets_exist = field_validator("curate")(_check_presets)

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: tuple[SourceConfig, ...]) -> tuple[SourceConfig, ...]:
        names = [source.name for source in sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"every source needs its own name; used more than once: {', '.join(twice)}")
        return sources

    def rules_for(self, source: SourceConfig) -> tuple[Rule, ...]:
        """The rules that a source's documents must pass, presets written out, in order."""
        curation = self.curate if source.curate is None else source.curate
        return tuple(rule for entry in curation for rule in (PRESETS[entry] if isinstance(entry, str) else (entry,)))
