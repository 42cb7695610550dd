"""What an adapter is made of: one of seven kinds, each with its own settings (needs no torch)."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from headrace.config import Alternatives, Config

Targets = Literal["attention", "feed_forward", "all"]
Kind = Literal["lora", "dora", "adalora", "bottleneck", "prompt", "prefix", "ia3"]


class LoraSettings(Config):
    """A product of two thin matrices is added to each weight. Source: Hu et al. 2021, arXiv 2106.09685."""

    rank: PositiveInt = 8
    """Columns of the first matrix and rows of the second."""
    alpha: PositiveInt = 16
    """The product is scaled by alpha / rank, so that a rate found at one rank suits another."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of what the thin matrices read that a training step leaves out."""
    targets: Targets = "all"
    """Layers that are adapted; `all` learns better than attention alone at the same number of weights (Dettmers et al.
    2023, arXiv 2305.14314, section 4)."""


class DoraSettings(LoraSettings):
    """LoRA of the direction of each weight's rows, whose lengths are learnt apart. Slower than LoRA, often better at
    small ranks. Source: Liu et al. 2024, arXiv 2402.09353."""


class AdaloraSettings(Config):
    """LoRA whose ranks are taken from layers where they are of little use. Source: Zhang et al. 2023, arXiv 2303.10512.

    The stage's steps fall into three: all layers have `first_rank`; ranks are taken away; the rest learn on.
    """

    first_rank: PositiveInt = 12
    """Rank of every layer at first."""
    rank: PositiveInt = 8
    """Mean rank at the end: this times the number of layers is the budget. Below `first_rank`."""
    alpha: PositiveInt = 16
    """The product is scaled by alpha / first_rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of what the thin matrices read that a training step leaves out."""
    warm_up: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps before ranks are taken away."""
    final: float = Field(default=0.3, gt=0, lt=1)
    """Share of the steps after the last was taken."""
    every_steps: PositiveInt = 10
    """Steps between two times that ranks are taken."""
    sensitivity_beta: float = Field(default=0.85, gt=0, lt=1)
    """How much the running mean of a weight's importance keeps at each step."""
    uncertainty_beta: float = Field(default=0.85, gt=0, lt=1)
    """The same of how much that importance wavers."""
    orthogonality: float = Field(default=0.5, ge=0)
    """Factor of the penalty that keeps ranks apart, so that one can be taken without touching the others."""
    targets: Targets = "all"
    """Layers that are adapted."""

    @model_validator(mode="after")
    def _check_budget(self) -> Self:
        if self.rank >= self.first_rank:
            raise ValueError(f"rank {self.rank} must be below first_rank {self.first_rank}: there is nothing to take")
        if self.warm_up + self.final >= 1:
            raise ValueError(f"warm_up {self.warm_up} and final {self.final} must leave steps between them")
        return self


class BottleneckSettings(Config):
    """A small network behind each branch: down to a few numbers, up again, added. Source: Houlsby et al. 2019, arXiv
    1902.00751. Cannot be merged, and is saved for headrace alone."""

    width: PositiveInt = 32
    """Numbers in the middle."""
    targets: Targets = "all"
    """Branches that one stands behind."""


class PromptSettings(Config):
    """Learnt vectors in place of a document's first tokens. Source: Lester et al. 2021, arXiv 2104.08691."""

    tokens: PositiveInt = 20
    """Vectors; as many tokens fewer are left for each document."""
    start: str | None = Field(default=None, min_length=1)
    """Text whose embedding they begin as, repeated or cut to `tokens`. None: embeddings of tokens drawn by the seed."""


class PrefixSettings(Config):
    """Learnt keys and values in every block that all tokens see. Source: Li & Liang 2021, arXiv 2101.00190."""

    tokens: PositiveInt = 20
    """Pairs of key and value for each head of each block."""


class Ia3Settings(Config):
    """A learnt factor for each key, value and inner feed-forward number: the fewest weights of all. Source: Liu et al.
    2022, arXiv 2205.05638."""

    targets: Targets = "all"
    """`attention` scales keys and values, `feed_forward` what its last product reads."""


Settings = (
    LoraSettings | DoraSettings | AdaloraSettings | BottleneckSettings | PromptSettings | PrefixSettings | Ia3Settings
)


class AdapterConfig(Alternatives):
    """The one adapter that a stage trains: `{lora: {rank: 8}}`."""

    lora: LoraSettings | None = None
    """Thin matrices added to weights. Take this one unless you know better."""
    dora: DoraSettings | None = None
    """The same, with lengths and directions apart."""
    adalora: AdaloraSettings | None = None
    """The same, with ranks where they help most."""
    bottleneck: BottleneckSettings | None = None
    """Small networks behind the branches."""
    prompt: PromptSettings | None = None
    """Learnt vectors before each document."""
    prefix: PrefixSettings | None = None
    """Learnt keys and values in every block."""
    ia3: Ia3Settings | None = None
    """Factors of keys, values and inner numbers."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            wanted = ", ".join(type(self).model_fields)
            raise ValueError(f"an adapter is exactly one of {wanted}; {' and '.join(given) or 'none'} given")
        return self

    @property
    def kind(self) -> Kind:
        kinds: tuple[Kind, ...] = ("lora", "dora", "adalora", "bottleneck", "prompt", "prefix", "ia3")
        return next(kind for kind in kinds if getattr(self, kind) is not None)

    @property
    def settings(self) -> Settings:
        """The settings of its kind."""
        settings: Settings = getattr(self, self.kind)
        return settings

    @property
    def num_placeholders(self) -> int:
        """Tokens that each document must begin with, for learnt vectors to stand in their place."""
        return self.prompt.tokens if self.prompt else 0

    @property
    def is_mergeable(self) -> bool:
        """Whether it can become part of the weights."""
        return self.kind not in ("bottleneck", "prompt", "prefix")

    @property
    def num_positions(self) -> int:
        """Positions of the model's context that the adapter takes from each document."""
        return self.prefix.tokens if self.prefix else self.num_placeholders
