"""What a user writes under `corpus`."""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from headrace.config import Config
from headrace.corpus.decontaminate.config import DecontaminateConfig
from headrace.corpus.deduplicate.config import DeduplicateSteps, ExactConfig
from headrace.corpus.language_codes import IDENTIFIED, TWO_LETTERS, hint
from headrace.corpus.mix.config import MixConfig
from headrace.corpus.presets import PRESET_CUTS, PRESETS, Cut, Rule
from headrace.corpus.quality.config import QualityConfig
from headrace.corpus.redact.config import RedactConfig
from headrace.corpus.rewrite.config import AugmentConfig, RewriteConfig
from headrace.corpus.settings import Paths, Share

Format = Literal["text", "jsonl", "parquet", "csv", "tsv", "html", "warc", "mediawiki", "mail", "mbox", "man"]

NO_DELIMITERS = "\"' \r\n\0"
"""What begins or ends a field or a row in some other way."""

SECRET = re.compile("secret|passw|token|credential|key", re.IGNORECASE)


def _as_redaction(value: object) -> object:
    return {} if value is True else (None if value is False else value)


Curation = Annotated[tuple[str | Rule, ...], Field(strict=False)]


def _check_presets(curation: Curation | None) -> Curation | None:
    for entry in curation or ():
        if isinstance(entry, str) and entry not in PRESETS:
            raise ValueError(
                f'no preset is called "{entry}"; there are {", ".join(PRESETS)}, or write {{rule: "num_words >= 20"}}'
            )
    _check_reasons(curation or ())
    return curation


def _languages_of(rule: Rule) -> tuple[str, ...]:
    return rule.languages + rule.except_languages


def _check_reasons(curation: Curation) -> None:
    """Raises ValueError if a preset is named twice, or a document could go by two rules for reasons of one name."""
    seen: list[Rule] = []
    for number, entry in enumerate(curation):
        if isinstance(entry, str):
            if entry in curation[:number]:
                raise ValueError(f"the preset {entry} is named twice; leave one of them out")
            continue
        if (
            other := next((rule for rule in seen if rule.reason == entry.reason and rule.overlaps(entry)), None)
        ) is None:
            seen.append(entry)
            continue
        raise ValueError(
            f'two rules are called "{entry.reason}" ({other.rule}; {entry.rule}), so nobody could tell for which of '
            "them a document went; give each a `name` of its own, or `languages` that differ"
        )


class SourceConfig(Config):
    """One body of text: where its files lie and how they are read."""

    name: str = Field(pattern=r"^\w[\w.-]*$")
    """Name of the source in every table and report."""

    path: Paths
    """Files, folders or globs (`**` included), relative to the recipe's folder, or URLs of an object store
    ("s3://bucket/prefix/**/*.jsonl.zst"). A folder or prefix: all files of known formats below it."""

    storage: dict[str, str | bool] = Field(default_factory=dict)
    """Options for the object store's driver, such as `endpoint_url`, `anon` or `profile`. Credentials are never written
    here: they come from the driver's usual environment variables and files."""

    format: Format | None = None
    """How to read the files; by default each file's suffix says it."""

    text: str = Field(default="text", min_length=1)
    """Field or column that holds the text, in JSON lines, Parquet, CSV and TSV."""

    delimiter: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """One character that separates the fields of CSV and TSV, such as ";" or "\\t"; by default a comma in CSV and a tab
    in TSV."""

    markup: Literal["html", "none"] = "none"
    """"html": that field holds an HTML page, of which the main text is taken."""

    document_start: str | None = None
    """Regular expression, plain text only: each line that begins with a match begins a document."""

    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}$")
    """ISO 639 code of the whole source; by default each document's language is identified."""

    curate: Curation | None = None
    """Presets and rules for this source, in place of the corpus-wide ones."""

    _presets_exist = field_validator("curate")(_check_presets)

    @field_validator("language")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        if value is not None and len(value) == 2 and value not in TWO_LETTERS:
            raise ValueError(f"got {value!r}, wanted an ISO 639 code, such as en or zh{hint(value)}")
        return value

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 1 or value in NO_DELIMITERS or not value.isascii()):
            raise ValueError(
                f"got {value!r}, wanted one ASCII character that is no quote, space or line end, such as ';', '|' or "
                'a tab (in YAML: "\\t")'
            )
        return value

    @field_validator("document_start")
    @classmethod
    def _is_expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    @field_validator("storage")
    @classmethod
    def _holds_no_secret(cls, value: dict[str, str | bool]) -> dict[str, str | bool]:
        if secrets := [key for key in value if SECRET.search(key)]:
            raise ValueError(
                f"{', '.join(secrets)}: a recipe ends up in reports, so it holds no credentials. Set the driver's "
                "environment variables (for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or a `profile`."
            )
        return value

    def for_measuring(self) -> "SourceConfig":
        """The source without what only later steps look at: what the address of its measured documents is made of."""
        return self.model_copy(update={"curate": None, "storage": {}})


class CorpusConfig(Config):
    """From raw files to training and validation documents."""

    sources: Annotated[tuple[SourceConfig, ...], Field(strict=False, min_length=1)]
    """The bodies of text. Their order decides which of two equal documents is kept: the one that comes first."""

    normalize: Literal["NFC", "NFKC", "none"] = "NFC"
    """Unicode form of the text; line ends become one newline character. "none" leaves every character as it is."""

    rewrite: RewriteConfig | None = None
    """Repairs of broken characters, one form of Chinese script. Left out: texts stay as they are."""

    redact: Annotated[
        RedactConfig | None, BeforeValidator(_as_redaction, json_schema_input_type=RedactConfig | bool | None)
    ] = None
    """Personal data that are replaced by placeholders: `true` for all kinds. Left out: none."""

    words: Literal["unicode", "datatrove"] = "unicode"
    """What counts as a word outside Chinese. "datatrove": its very English words, for thresholds that were found with
    them (needs the extra `datatrove-words`)."""

    measure: Literal["all", "needed"] = "all"
    """"all": every score goes into the ledger, so that any rule can be tried later in seconds. "needed": none if no
    rule looks at one, which is faster."""

    quality: QualityConfig | None = None
    """Models trained on examples, whose judgement rules can use as `quality_score` and `perplexity`."""

    curate: Curation = ()
    """Presets and rules that a document must pass. Empty: every readable document does."""

    deduplicate: DeduplicateSteps = (ExactConfig(),)
    """What repeats itself, one step after the other: "exact" (documents that differ at most in white space and Unicode
    form), "minhash" (documents that share most n-grams), "meaning", "lines", "paragraphs", "substrings"; or "none". A
    step with settings of its own is a mapping: `{method: minhash, confirm: 0.8}`."""

    earlier: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Names of runs, below the same folder of runs, whose documents are not taken again: what "exact" or "minhash"
    finds to repeat one that they kept goes. So a new dump is compared with all the old ones without reading them."""

    decontaminate: DecontaminateConfig | None = None
    """Evaluation sets whose questions and answers must not be in the corpus."""

    mix: MixConfig | None = None
    """How often documents of each group are used. Left out: each once."""

    augment: AugmentConfig | None = None
    """Altered copies of scarce training documents. Validation documents are never altered."""

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

    @model_validator(mode="after")
    def _rules_name_languages_that_occur(self) -> Self:
        given = {source.language for source in self.sources if source.language is not None}
        places = [
            ("curate", self.curate),
            *((f"source {source.name}: curate", source.curate) for source in self.sources),
        ]
        for place, curation in places:
            named = (code for rule in curation or () if isinstance(rule, Rule) for code in _languages_of(rule))
            if unknown := next((code for code in named if code not in IDENTIFIED | given), None):
                raise ValueError(
                    f'{place}: a rule is for the language "{unknown}", which no document can have: it is no code that '
                    f"identification gives, and no source has `language: {unknown}`{hint(unknown)}"
                )
        return self

    def rules_for(self, source: SourceConfig) -> tuple[Rule, ...]:
        """The rules that a source's documents must pass, presets written out, in order."""
        curation = self._curation_of(source)
        return tuple(rule for entry in curation for rule in (PRESETS[entry] if isinstance(entry, str) else (entry,)))

    def line_rules_for(self, source: SourceConfig) -> tuple[Cut, ...]:
        """What the source's presets cut out of kept documents, by name."""
        presets = (entry for entry in self._curation_of(source) if isinstance(entry, str))
        return tuple(dict.fromkeys(cut for preset in presets for cut in PRESET_CUTS.get(preset, ())))

    def _curation_of(self, source: SourceConfig) -> tuple[str | Rule, ...]:
        return (self.curate if source.curate is None else source.curate) or ()
