"""Our parameters from foreign tensors, and back. Projections are split and joined by rows; nothing is rounded."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headrace.models.build import Model, empty_model
from headrace.models.config import ModelConfig
from headrace.models.families import Family, UnsuitedError
from headrace.models.families.family import Piece
from headrace.models.transformer import Transformer

Named = dict[str, Tensor]


def plain_tensors(family: Family, tensors: Named) -> Named:
    """Foreign tensors under the names that `family.pieces` gives, without those that hold nothing of their own."""
    plain = {family.plain_name(name): tensor for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in plain.items() if name is not None}


def unfilled_model(config: ModelConfig, vocabulary_size: int) -> Model:
    """A model whose weights have sizes and no memory: nothing is held until `fill` has seen that the sizes are right.

    Raises RuntimeError for sizes that no memory could hold.
    """
    with torch.device("meta"):
        return empty_model(config, vocabulary_size)


def fill(model: Model, family: Family, tensors: Named) -> None:
    """Sets every parameter; each tensor must have its place.

    Raises KeyError for a missing tensor, RuntimeError for one of the wrong shape, UnsuitedError for tensors left over.
    """
    left, weights = dict(tensors), {}
    for name, parameter in model.named_parameters():
        joined = [_taken(left, piece) for piece in family.pieces(name, model.config)]
        weights[name] = _copy(joined[0] if len(joined) == 1 else torch.cat(joined), parameter.shape)
    model.load_state_dict(weights, assign=True)
    _check_copy(model, family, left)
    if left:
        raise UnsuitedError(f"tensors this model has no place for: {', '.join(sorted(left)[:3])}")


def _check_copy(model: Model, family: Family, left: Named) -> None:
    """Takes a second copy of the embedding, stored as the head of a tied model, out of what is left."""
    if not model.config.tied:
        return
    (head,) = family.pieces("head.weight", model.config)
    if head.name in left and not torch.equal(left.pop(head.name).float(), model.embedding.weight):
        raise UnsuitedError("its head is not the embedding, as config.json says it is")


def foreign_tensors(model: Transformer, family: Family) -> Iterator[tuple[str, Tensor]]:
    """Every foreign tensor of a model that fits the family, in float32, by name."""
    for name, parameter in model.named_parameters():
        tensor = parameter.detach().float()
        pieces = family.pieces(name, model.config)
        rows = rows_of(name, model.config, len(tensor)) if len(pieces) > 1 else [len(tensor)]
        for piece, part in zip(pieces, tensor.split(rows), strict=True):
            yield piece.name, (part.T if piece.transposed else part).contiguous()


def rows_of(name: str, config: ModelConfig, num_rows: int) -> list[int]:
    """Rows of the layers that one of our parameters joins."""
    layer = name.rsplit(".", 2)[-2] if "." in name else name
    joined = {
        "query_key_value": [config.query_width, config.key_value_width, config.key_value_width],
        "key_value": [config.key_value_width] * 2,
        "gate_up": [config.feed_forward] * 2,
    }
    return joined.get(layer, [num_rows])


def _copy(tensor: Tensor, shape: torch.Size) -> Tensor:
    """The tensor in float32 and in memory of its own."""
    if tensor.shape != shape:
        raise RuntimeError(f"a tensor of shape {tuple(tensor.shape)}, wanted {tuple(shape)}")
    return torch.empty(shape).copy_(tensor)


def _taken(left: Named, piece: Piece) -> Tensor:
    tensor = left.pop(piece.name)
    return tensor.T if piece.transposed else tensor
