"""What a model is made of: every setting, its meaning, and what follows from it (needs no torch)."""

from typing import Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from headrace.config import Config
from headrace.models.rotary_scaling import RotaryScaling

# Head width 64 throughout: the smallest that keeps the attention products efficient on AVX-512 and tensor cores alike.
PRESETS: dict[str, dict[str, int]] = {
    "tiny": {"depth": 5, "width": 320, "heads": 5, "kv_heads": 5, "feed_forward": 864},
    "small": {"depth": 10, "width": 512, "heads": 8, "kv_heads": 4, "feed_forward": 1376},
    "base": {"depth": 12, "width": 768, "heads": 12, "kv_heads": 4, "feed_forward": 2048},
}
ALWAYS_WRITTEN = {
    *("preset", "depth", "width", "heads", "kv_heads", "feed_forward"),
    *("qk_norm", "tied", "rope_theta", "norm_epsilon"),
}
"""Of a config's fields; the others are written where they differ from their default, so that a model that needs none of
them keeps the address it had before they were."""

Activation = Literal["silu", "gelu", "gelu_tanh", "relu"]
Probability = Field(default=0.0, ge=0, lt=1)


class ModelFields(Config):
    """The settings of a `ModelConfig`, without what is counted from them."""

    preset: Literal["tiny", "small", "base"] | None = None
    """A named size; any size below that is also written replaces the preset's. About 9, 33 and 82 M parameters with an
    8,192-token vocabulary."""
    depth: PositiveInt = Field(default=5, le=512)
    """Number of blocks."""
    width: PositiveInt = Field(default=320, le=65_536)
    """Size of the residual stream."""
    heads: PositiveInt = 5
    """Query heads; each is width / heads wide, an even number, unless `head_size` says otherwise."""
    kv_heads: PositiveInt = 5
    """Key and value heads; a divisor of `heads`. Fewer make a smaller cache when generating."""
    feed_forward: PositiveInt = 864
    """Inner width of the SwiGLU block; 8/3 of the width matches the parameters of a plain block four times as wide."""
    qk_norm: bool = False
    """Normalises queries and keys per head (as in Qwen 3): steadier at high learning rates, a few per cent slower."""
    tied: bool = True
    """Uses the embedding as the head too: fewer parameters, better for small vocabularies and small models."""
    rope_theta: float = Field(default=10_000.0, gt=0)
    """Base of the rotary frequencies."""
    norm_epsilon: float = Field(default=1e-5, gt=0)
    """Added to the mean square in RMSNorm, to the variance in LayerNorm."""

    shape: Literal["decoder", "encoder", "encoder_decoder"] = "decoder"
    """`decoder`: each token sees those before it. `encoder`: each sees its whole document. `encoder_decoder`: an
    encoder reads a source, and the decoder's blocks also attend to it."""
    source_depth: PositiveInt | None = Field(default=None, le=512)
    """Blocks of the encoder of an `encoder_decoder`. None: as many as `depth`."""
    head_size: PositiveInt | None = None
    """Width of a head. None: width / heads."""
    norm: Literal["rms", "layer"] = "rms"
    """RMSNorm, or LayerNorm with a bias."""
    norm_place: Literal["pre", "post"] = "pre"
    """`pre` normalises what a branch reads, and once more at the end; `post` normalises the sum after each branch, as
    in the first Transformer and in BERT."""
    positions: Literal["rotary", "learned", "sinusoidal", "relative", "none"] = "rotary"
    """How tokens know where they stand: rotated queries and keys, a learnt or a fixed vector added to each token, a
    learnt bias per head and distance (T5), or not at all."""
    max_positions: PositiveInt | None = None
    """Length of the table of `learned` positions: no document is read further. Others have no such limit."""
    rope_scaling: RotaryScaling | None = None
    """Stretches rotary positions, for contexts longer than those trained on."""
    relative_buckets: int = Field(default=32, ge=4, multiple_of=2)
    """Distances that `relative` positions tell apart."""
    relative_distance: PositiveInt = 128
    """Distance from which on `relative` positions are all one."""
    activation: Activation = "silu"
    """Of the feed-forward block. `gelu_tanh` is the approximation of GPT-2 and T5."""
    gated: bool = True
    """Multiplies the activated branch with a second one: `silu` gated is SwiGLU."""
    qkv_bias: bool = False
    """Adds a bias to queries, keys and values (as in GPT-2, BERT, Qwen 2)."""
    output_bias: bool = False
    """Adds a bias to what attention writes."""
    feed_forward_bias: bool = False
    """Adds biases in the feed-forward block."""
    head_bias: bool = False
    """Adds a bias to the logits, one per token (as in BERT)."""
    sliding_window: PositiveInt | None = None
    """A token sees at most this many tokens, itself included; of an encoder, as many on either side. None: all."""
    full_attention_blocks: NonNegativeInt = 0
    """Blocks, counted from the first, that the sliding window does not limit."""
    attention_scale: float | None = Field(default=None, gt=0)
    """Factor of the product of query and key. None: 1 / sqrt(head width); 8 / head width with `base_width`."""
    embedding_scale: float = Field(default=1.0, gt=0)
    """Factor of the embedding; sqrt(width) in the first Transformer."""
    logit_scale: float = Field(default=1.0, gt=0)
    """Factor of the logits; 1 / sqrt(width) in the first T5."""
    embedding_norm: bool = False
    """Normalises the embedding (as in BERT)."""
    token_types: NonNegativeInt = 0
    """Kinds of tokens with a learnt vector each: first and second sentence in BERT."""
    head_transform: bool = False
    """An encoder's states pass one more layer, activation and norm before the head (as in BERT)."""
    pooler: bool = False
    """An encoder has a layer with tanh over its first state (as in BERT)."""
    dropout: float = Probability
    """Share of the embedding's and of each branch's numbers that a training step leaves out."""
    attention_dropout: float = Probability
    """Share of the attention weights that a training step leaves out."""
    stochastic_depth: float = Probability
    """Probability with which a training step skips a branch of the last block for a row; it grows from 0 at the first.
    Source: Huang et al. 2016, arXiv 1603.09382."""
    base_width: PositiveInt | None = None
    """Width at which the learning rate was found. With it, first weights, learning rates of inner matrices and logits
    are scaled by the width, so that the same rate suits every width. None: no such scaling."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("preset"), str):
            return {**PRESETS.get(given["preset"], {}), **given}
        return given

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.head_size is None and self.width % self.heads:
            raise ValueError(self._wrong_width())
        if self.positions == "rotary" and self.head_width % 2:
            raise ValueError(self._wrong_width())
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads {self.kv_heads} must divide heads {self.heads}")
        return self

    def _wrong_width(self) -> str:
        if self.head_size is not None:
            return f"head_size {self.head_size} must be even with rotary positions; try {self.head_size + 1}"
        return (
            f"width {self.width} must be heads {self.heads} times an even number; "
            f"with this width try heads {max(1, self.width // 64)}"
        )

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.positions == "learned" and self.max_positions is None:
            raise ValueError("positions: learned needs max_positions, the longest document in tokens")
        if self.positions == "sinusoidal" and self.width % 2:
            raise ValueError(f"positions: sinusoidal needs an even width, not {self.width}")
        if self.positions == "relative" and self.relative_distance <= self.relative_buckets // 2:
            raise ValueError(f"relative_distance {self.relative_distance} must be above half of relative_buckets")
        if self.rope_scaling is not None and self.positions != "rotary":
            raise ValueError(f"rope_scaling needs positions: rotary, not {self.positions}")
        if self.source_depth is not None and self.shape != "encoder_decoder":
            raise ValueError(f"source_depth needs shape: encoder_decoder, not {self.shape}")
        if self.shape != "encoder" and (self.head_transform or self.pooler):
            raise ValueError(f"head_transform and pooler need shape: encoder, not {self.shape}")
        return self

    @model_serializer(mode="wrap")
    def _leave_out_what_is_untouched(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {
            name: value
            for name, value in dump(self).items()
            if name in ALWAYS_WRITTEN or getattr(self, name) != fields[name].default
        }

    @property
    def head_width(self) -> int:
        return self.head_size or self.width // self.heads

    @property
    def query_width(self) -> int:
        """All query heads side by side."""
        return self.heads * self.head_width

    @property
    def key_value_width(self) -> int:
        """All key heads side by side, or all value heads."""
        return self.kv_heads * self.head_width

    @property
    def projection_width(self) -> int:
        """Columns of the joined query, key and value projection."""
        return self.query_width + 2 * self.key_value_width

    @property
    def encoder_depth(self) -> int:
        """Blocks that read without looking at order: none in a decoder."""
        return {"decoder": 0, "encoder": self.depth, "encoder_decoder": self.source_depth or self.depth}[self.shape]

    @property
    def query_key_scale(self) -> float:
        """Factor of the product of query and key."""
        if self.attention_scale is not None:
            return self.attention_scale
        return self.head_width**-0.5 if self.base_width is None else 8 / self.head_width

    @property
    def is_noisy(self) -> bool:
        """Whether a training step leaves anything out by chance."""
        return bool(self.dropout or self.attention_dropout or self.stochastic_depth)

    def window_of(self, block: int) -> int | None:
        """The sliding window of a block, counted from 0."""
        return None if block < self.full_attention_blocks else self.sliding_window
