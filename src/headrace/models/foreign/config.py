"""What is known of a model that is not made of our blocks: sizes, counted on the model itself (needs no torch)."""

from typing import Literal

from headrace.config import Config
from headrace.models.config import ModelConfig


class ForeignConfig(Config):
    """A model that transformers builds from its own `config.json`, in numbers."""

    family: str
    """Its `model_type`."""
    shape: Literal["decoder", "encoder", "encoder_decoder"]
    """What it can learn: next tokens, masked ones, or texts from texts."""
    parameters: int
    """Every one counted once."""
    looked_up: int
    """Those of embeddings that are in no product."""
    width: int
    """Of its embedding."""
    depth: int
    """Number of its blocks, as its config has it; 1 where that does not say."""
    tied: bool
    """Whether its embedding is its head."""
    kept_per_token: int
    """Numbers that go into and come out of its products for every token, which training keeps for the way back."""
    max_positions: int | None
    """Tokens of the longest document that it has positions for; None: no such limit is known."""

    def num_parameters(self, vocabulary_size: int) -> int:
        """Trainable numbers, every one counted once; those of its own vocabulary, whatever the given size."""
        return self.parameters

    def attention_tokens(self, vocabulary_size: int) -> int:
        """As for our own models: the length at which attention costs about as much as all products."""
        return max(1, (self.parameters - self.looked_up) // (self.depth * self.width))

    def flops_per_token(self, vocabulary_size: int, row_tokens: int) -> float:
        """6 operations per parameter used in a product. Attention, whose kind is not known, is left out, and experts
        count as if all of them were used."""
        return 6.0 * (self.parameters - self.looked_up)


AnyModelConfig = ModelConfig | ForeignConfig
"""A model made of our blocks, or one that transformers builds."""
