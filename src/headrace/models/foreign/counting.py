"""The sizes of a model that transformers has built, counted on its modules."""

from typing import Any, Literal

from torch import nn

from headrace.models.foreign.config import ForeignConfig


def describe(inner: Any, shape: Literal["decoder", "encoder", "encoder_decoder"]) -> ForeignConfig:
    """What is known of a model; its weights may be without memory."""
    config, embedding, head = (
        inner.config.get_text_config(),
        inner.get_input_embeddings(),
        inner.get_output_embeddings(),
    )
    tied = head is not None and head.weight is embedding.weight
    tables = {id(module.weight): module.weight for module in inner.modules() if isinstance(module, nn.Embedding)}
    if tied:
        tables.pop(id(embedding.weight), None)
    depth = getattr(config, "num_hidden_layers", None) or 1
    if shape == "encoder_decoder":
        depth = getattr(config, "encoder_layers", depth) + getattr(config, "decoder_layers", depth)
    return ForeignConfig(
        family=inner.config.model_type,
        shape=shape,
        parameters=sum(parameter.numel() for parameter in inner.parameters()),
        looked_up=sum(table.numel() for table in tables.values()),
        width=embedding.embedding_dim,
        depth=depth,
        tied=tied,
        kept_per_token=sum(
            module.weight.shape[0] + module.weight.shape[1]
            for module in inner.modules()
            if getattr(module, "weight", None) is not None
            and module.weight.dim() == 2
            and not isinstance(module, nn.Embedding)
            and module is not head
        ),
        max_positions=_max_positions(inner),
    )


def _max_positions(inner: Any) -> int | None:
    """Rows of the smallest table of learnt positions; some are kept for padding, and some are an offset."""
    limits = []
    for name, module in inner.named_modules():
        if isinstance(module, nn.Embedding) and "position" in name.rpartition(".")[2] and "relative" not in name:
            offset = module.padding_idx + 1 if module.padding_idx is not None else getattr(module, "offset", 0)
            limits.append(module.num_embeddings - offset)
    return min(limits, default=None)
