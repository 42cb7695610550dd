"""What is learnt in a stage: one record of settings for each objective."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from headrace.config import Config

Share = Annotated[float, Field(gt=0, lt=1)]


class CausalConfig(Config):
    """Predicts each next token."""

    name: Literal["causal"] = "causal"
    """Each token from those before it: what language models are made with."""


class MaskedConfig(Config):
    """Tells masked tokens from all others. Source: Devlin et al. 2019, arXiv 1810.04805, section 3.1."""

    name: Literal["masked"] = "masked"
    """Some tokens from all others, before and after: for encoders."""
    rate: Share = 0.15
    """Share of the tokens that are to be told; of them 80 % are masked, 10 % another token, 10 % as they were."""
    final_rate: Share | None = None
    """Where the share goes in the course of the stage, step by step. None: it stays. A rate that falls from 0.3 to 0.15
    was found to learn more (arXiv 2410.24159)."""
    whole_words: bool = False
    """Chooses all tokens of a word together."""


class CausalAndMaskedConfig(Config):
    """Both with one stack of blocks: GPT-BERT, Charpentier & Samuel 2024, arXiv 2410.24159.

    Masked tokens are told one place early, as next tokens are, so that both share the head.
    """

    name: Literal["causal_and_masked"] = "causal_and_masked"
    """Next tokens in some rows, masked ones in the others: one model for both."""
    masked_share: Share = 0.5
    """Share of the rows of every step that are masked and seen as a whole."""
    rate: Share = 0.15
    """As for `masked`."""
    final_rate: Share | None = None
    """As for `masked`."""


class PrefixConfig(Config):
    """Predicts next tokens behind a beginning seen as a whole: Raffel et al. 2020, arXiv 1910.10683, 3.2.1."""

    name: Literal["prefix_lm"] = "prefix_lm"
    """Next tokens behind a beginning of random length, all of which sees all of it."""


class SpanDenoisingConfig(Config):
    """Writes what spans of a text stood for: T5, Raffel et al. 2020, arXiv 1910.10683, section 3.1.4."""

    name: Literal["span_denoising"] = "span_denoising"
    """What stood where a text has gaps: for encoder-decoders."""
    rate: Share = 0.15
    """Share of the tokens that are left out."""
    mean_span: float = Field(default=3.0, ge=1)
    """Mean number of tokens in a gap."""


class FullDenoisingConfig(Config):
    """Writes a text as it was before it was damaged: BART, Lewis et al. 2020, arXiv 1910.13461.

    Gaps are as those of `span_denoising`, but each is one and the same mask; their number and length are not drawn
    apart. `insert`, `delete` and `substitute` come in their place where one of them is written.
    """

    name: Literal["full_denoising"] = "full_denoising"
    """The whole text from a damaged one: for encoder-decoders."""
    rate: Share = 0.3
    """Share of the tokens that are masked, a span at a time."""
    mean_span: float = Field(default=3.0, ge=1)
    """Mean number of tokens under one mask."""
    insert: float = Field(default=0.0, ge=0, lt=1)
    """Share of the places that get a token at random before them."""
    delete: float = Field(default=0.0, ge=0, lt=1)
    """Share of the tokens that are left out, without a trace."""
    substitute: float = Field(default=0.0, ge=0, lt=1)
    """Share of the tokens that become another."""

    @property
    def edits(self) -> bool:
        return bool(self.insert or self.delete or self.substitute)


RowObjectiveConfig = (
    CausalConfig | MaskedConfig | CausalAndMaskedConfig | PrefixConfig | SpanDenoisingConfig | FullDenoisingConfig
)
"""What is learnt from rows of tokens."""


class ExampleFields(Config):
    """What all objectives on examples share."""

    max_tokens: int = Field(default=256, ge=8)
    """Tokens of an example that are read; what is longer is cut, and counted."""


class ClassifyConfig(ExampleFields):
    """Tells which class a text belongs to, or which of several."""

    name: Literal["classify"] = "classify"
    """One label of a text, or any number of them."""
    class_weights: Literal["equal", "balanced"] | dict[str, float] = "equal"
    """What an example counts for. `balanced`: as much as all classes together have examples for each that its own has;
    or a number for every class. The weights' mean over the training examples is made 1."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of an example's label that is spread over all classes (arXiv 1512.00567, section 7)."""
    pooling: Literal["auto", "first", "mean", "last"] = "auto"
    """Which state speaks for a text: of the first token, of the last, or the mean of all. `auto`: as transformers has
    it for models of this kind, the mean for encoders without a pooler."""
    head_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of that state which a training step leaves out."""


class TagConfig(ExampleFields):
    """Tells the tag of every word, such as the kind of name that it is part of."""

    name: Literal["tag"] = "tag"
    """A tag for every word."""
    head_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the states that a training step leaves out."""


class SeqToSeqConfig(ExampleFields):
    """Writes a text that belongs to another, such as its translation."""

    name: Literal["seq2seq"] = "seq2seq"
    """A text from another: translation, summaries."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of each target that is spread over the whole vocabulary (Vaswani et al. 2017, section 5.4: 0.1)."""


class InstructConfig(ExampleFields):
    """Answers as the assistant of a conversation does; what others say is read and not learnt."""

    name: Literal["instruct"] = "instruct"
    """Answers in conversations."""
    max_tokens: int = Field(default=512, ge=8)
    """Tokens of a conversation that are read; what is longer is cut, and counted."""


class PreferConfig(ExampleFields):
    """Prefers one answer to another: DPO, Rafailov et al. 2023, arXiv 2305.18290."""

    name: Literal["prefer"] = "prefer"
    """The better of two answers, as seen from the model that the stage begins with."""
    beta: float = Field(default=0.1, gt=0)
    """How dear it is to move away from that model."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Chance that a preference is the wrong way round (Mitchell 2023, conservative DPO)."""
    max_tokens: int = Field(default=512, ge=8)
    """Tokens of prompt and answer that are read; what is longer is cut, and counted."""


ExampleObjectiveConfig = ClassifyConfig | TagConfig | SeqToSeqConfig | InstructConfig | PreferConfig
"""What is learnt from labelled examples."""

AnyObjectiveConfig = RowObjectiveConfig | ExampleObjectiveConfig

SHAPES: dict[type[Config], tuple[str, ...]] = {
    CausalConfig: ("decoder",),
    MaskedConfig: ("encoder",),
    CausalAndMaskedConfig: ("decoder",),
    PrefixConfig: ("decoder",),
    SpanDenoisingConfig: ("encoder_decoder",),
    FullDenoisingConfig: ("encoder_decoder",),
    ClassifyConfig: ("encoder", "decoder"),
    TagConfig: ("encoder", "decoder"),
    SeqToSeqConfig: ("encoder_decoder", "decoder"),
    InstructConfig: ("decoder",),
    PreferConfig: ("decoder",),
}
"""The shapes of model that an objective is for; of a model that is not described, the first."""


Name = Literal[
    "causal",
    "masked",
    "causal_and_masked",
    "prefix_lm",
    "span_denoising",
    "full_denoising",
    "classify",
    "tag",
    "seq2seq",
    "instruct",
    "prefer",
]


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


def _shortest(config: Config) -> Any:
    """The name alone where nothing else was written, so that what came later into a record moves no address."""
    written = {
        name: value for name, value in config.as_json().items() if value != type(config).model_fields[name].default
    }
    return {"name": config.name, **written} if written else config.name  # type: ignore[attr-defined]  # all have one


ObjectiveConfig = Annotated[
    AnyObjectiveConfig,
    Field(discriminator="name"),
    BeforeValidator(_named, json_schema_input_type=AnyObjectiveConfig | Name),
    PlainSerializer(_shortest),
]
"""One of them, by its name, or `{name: ..., ...}` with settings."""
