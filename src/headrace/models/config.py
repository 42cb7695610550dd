"""What a model is made of, the named sizes, and how many parameters and operations that means."""

from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from headrace.config import Config

# Head width 64 throughout: the smallest that keeps the attention products efficient on AVX-512 and tensor cores alike.
PRESETS: dict[str, dict[str, int]] = {
    "tiny": {"depth": 5, "width": 320, "heads": 5, "kv_heads": 5, "feed_forward": 864},
    "small": {"depth": 10, "width": 512, "heads": 8, "kv_heads": 4, "feed_forward": 1376},
    "base": {"depth": 12, "width": 768, "heads": 12, "kv_heads": 4, "feed_forward": 2048},
}


class ModelConfig(Config):
    """A decoder-only Transformer in the Llama family: RMSNorm, rotary positions, SwiGLU, grouped-query attention."""

    preset: Literal["tiny", "small", "base"] | None = None
    """A named size; any size below that is also written replaces the preset's. About 9, 33 and 82 M parameters with an
    8,192-token vocabulary."""
    depth: PositiveInt = Field(default=5, le=512)
    """Number of blocks."""
    width: PositiveInt = Field(default=320, le=65_536)
    """Size of the residual stream."""
    heads: PositiveInt = 5
    """Query heads; each is width / heads wide, an even number."""
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
    """Added to the mean square in RMSNorm."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("preset"), str):
            return {**PRESETS.get(given["preset"], {}), **given}
        return given

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(
                f"width {self.width} must be heads {self.heads} times an even number; "
                f"with this width try heads {max(1, self.width // 64)}"
            )
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads {self.kv_heads} must divide heads {self.heads}")
        return self

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @property
    def projection_width(self) -> int:
        """Columns of the joined query, key and value projection."""
        return (self.heads + 2 * self.kv_heads) * self.head_width

    def num_parameters(self, vocabulary_size: int) -> int:
        """Trainable numbers, every one counted once."""
        block = self.width * (self.projection_width + self.width + 3 * self.feed_forward + 2)
        block += 2 * self.head_width if self.qk_norm else 0
        return vocabulary_size * self.width * (1 if self.tied else 2) + self.depth * block + self.width

    def attention_tokens(self, vocabulary_size: int) -> int:
        """Length of a document at which attention to what came before costs as much as all other products.

        A token's products take 2 operations a parameter, its attention 4 x depth x width for each token before it, of
        which there are half as many as the document has.
        """
        lookup = 0 if self.tied else vocabulary_size * self.width
        return max(1, (self.num_parameters(vocabulary_size) - lookup) // (self.depth * self.width))

    def flops_per_token(self, vocabulary_size: int, row_tokens: int) -> float:
        """Operations of one training step per token: 6 per parameter used in a product, plus attention.

        Attention is counted as the full square (12 x depth x width x row), the field's convention, though half of it is
        masked away. Source: Chowdhery et al. 2022 (PaLM), appendix B.
        """
        lookup = 0 if self.tied else vocabulary_size * self.width  # an embedding that is no head multiplies nothing
        products = self.num_parameters(vocabulary_size) - lookup
        return 6.0 * products + 12.0 * self.depth * self.width * row_tokens
