"""How many numbers a model of a config has, and how many of them are multiplied with (needs no torch)."""

from headrace.models.fields import ModelFields

LONG_ROW = 2048
"""Tokens above which a row's attention scores are not kept for the way back: they grow with its square."""


def num_parameters(config: ModelFields, vocabulary_size: int) -> int:
    """Trainable numbers, every one counted once."""
    return _embedding(config, vocabulary_size) + _blocks(config) + _head(config, vocabulary_size)


def product_parameters(config: ModelFields, vocabulary_size: int) -> int:
    """Those that are used in a product: all but an embedding that is no head, which is only looked up."""
    return num_parameters(config, vocabulary_size) - (0 if config.tied else vocabulary_size * config.width)


def num_attentions(config: ModelFields) -> int:
    """Times that a row is attended to: once per block, and once more where a decoder's block attends to a source."""
    if config.shape == "encoder_decoder":
        return config.encoder_depth + 2 * config.depth
    return config.depth


def keeps_scores(config: ModelFields, row_tokens: int) -> bool:
    """Whether training keeps what every token makes of every other, of rows without a prefix that all may see."""
    is_plain = config.positions != "relative" and not config.attention_dropout and config.shape != "encoder_decoder"
    return row_tokens <= LONG_ROW or not is_plain


def _embedding(config: ModelFields, vocabulary_size: int) -> int:
    rows = vocabulary_size + config.token_types
    rows += (config.max_positions or 0) if config.positions == "learned" else 0
    return rows * config.width + (_norm(config) if config.embedding_norm else 0)


def _blocks(config: ModelFields) -> int:
    block = _attention(config) + _feed_forward(config) + 2 * _norm(config)
    stacks, cross = 1, 0
    total = config.depth * block
    if config.shape == "encoder_decoder":
        stacks, cross = 2, config.depth * (_attention(config) + _norm(config))
        total += config.encoder_depth * block
    final = stacks * _norm(config) if config.norm_place == "pre" else 0
    relative = stacks * config.relative_buckets * config.heads if config.positions == "relative" else 0
    return total + cross + final + relative


def _attention(config: ModelFields) -> int:
    """Of self-attention or cross-attention alike: which matrices are joined makes no difference."""
    weights = config.width * (config.projection_width + config.query_width)
    weights += config.projection_width if config.qkv_bias else 0
    weights += config.width if config.output_bias else 0
    return weights + (2 * config.head_width if config.qk_norm else 0)


def _feed_forward(config: ModelFields) -> int:
    inner = config.feed_forward * (2 if config.gated else 1)
    biases = inner + config.width if config.feed_forward_bias else 0
    return config.width * (inner + config.feed_forward) + biases


def _norm(config: ModelFields) -> int:
    return config.width * (2 if config.norm == "layer" else 1)


def _head(config: ModelFields, vocabulary_size: int) -> int:
    own = 0 if config.tied else vocabulary_size * config.width
    bias = vocabulary_size if config.head_bias else 0
    square = config.width * (config.width + 1)
    transform = square + _norm(config) if config.head_transform else 0
    return own + bias + transform + (square if config.pooler else 0)
