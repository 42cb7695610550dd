"""A model of any shape from its config."""

from headrace.models.config import ModelConfig
from headrace.models.decoder import Decoder
from headrace.models.encoder import Encoder
from headrace.models.encoder_decoder import EncoderDecoder
from headrace.models.initial import initialise

Model = Decoder | Encoder | EncoderDecoder

SHAPES: dict[str, type[Decoder] | type[Encoder] | type[EncoderDecoder]] = {
    "decoder": Decoder,
    "encoder": Encoder,
    "encoder_decoder": EncoderDecoder,
}


def build_model(config: ModelConfig, vocabulary_size: int, *, seed: int) -> Model:
    """A model with fresh weights that depend on nothing but the arguments."""
    model = empty_model(config, vocabulary_size)
    initialise(model, config, seed=seed)
    return model


def empty_model(config: ModelConfig, vocabulary_size: int) -> Model:
    """A model whose weights are to be read from elsewhere."""
    return SHAPES[config.shape](config, vocabulary_size)
