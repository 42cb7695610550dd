"""The same function without the scaling across widths, for formats that know no such thing."""

import copy

import torch

from headrace.models.build import Model
from headrace.models.decoder import Decoder


@torch.no_grad()
def unscaled(model: Model) -> Model:
    """A copy with the same logits, to rounding, whose config has no `base_width`; the model itself if it has none.

    The factor of the logits goes into the last norm, that of query and key into the queries. Only decoders that
    normalise before each branch have such a norm; others are returned as they are.
    """
    config = model.config
    if config.base_width is None or not isinstance(model, Decoder) or config.norm_place != "pre":
        return model
    plain = config.model_copy(update={"base_width": None})
    result = Decoder(plain, model.vocabulary_size)
    result.load_state_dict(copy.deepcopy(model.state_dict()))
    for name, parameter in result.norm.named_parameters():
        assert name in ("weight", "bias"), "a norm has a gain and at most a bias"
        parameter.mul_(config.base_width / config.width)
    ratio = config.query_key_scale / plain.query_key_scale
    for block in result.typed_blocks:
        if ratio != 1.0 and config.qk_norm:
            block.attention.query_norm.weight.mul_(ratio)
        elif ratio != 1.0:
            for parameter in block.attention.query_key_value.parameters():
                parameter[: config.query_width].mul_(ratio)
    return result
