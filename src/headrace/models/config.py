"""The config of a model, and how many parameters and operations it means."""

from headrace.models import counts
from headrace.models.fields import PRESETS, ModelFields

__all__ = ["PRESETS", "ModelConfig"]


class ModelConfig(ModelFields):
    """A Transformer. Untouched, the fields make a decoder of the Llama family: RMSNorm, rotary positions, SwiGLU,
    grouped-query attention."""

    def num_parameters(self, vocabulary_size: int) -> int:
        """Trainable numbers, every one counted once."""
        return counts.num_parameters(self, vocabulary_size)

    def attention_tokens(self, vocabulary_size: int) -> int:
        """Length of a document at which attention to what came before costs as much as all other products.

        A token's products take 2 operations a parameter, its attention 4 x depth x width for each token before it, of
        which there are half as many as the document has.
        """
        return max(1, counts.product_parameters(self, vocabulary_size) // (self.depth * self.query_width))

    def flops_per_token(self, vocabulary_size: int, row_tokens: int) -> float:
        """Operations of one training step per token: 6 per parameter used in a product, plus attention.

        Attention is counted as the full square (12 x depth x width x row), the field's convention, though half of it is
        masked away. Source: Chowdhery et al. 2022 (PaLM), appendix B. Of an encoder-decoder, per pair of a source and a
        target token, rows of both being equally long.
        """
        products = counts.product_parameters(self, vocabulary_size)
        return 6.0 * products + 12.0 * counts.num_attentions(self) * self.query_width * row_tokens
