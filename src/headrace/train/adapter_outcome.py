"""What comes of an adapter: a folder for peft, and, where that can be, weights with the adapter in them."""

from typing import Any

import torch
from torch import Tensor

from headrace.models.adapters.merging import NOT_PART, merge, take_out
from headrace.models.adapters.peft_files import save_peft
from headrace.models.build import Model
from headrace.models.encoder_decoder import EncoderDecoder
from headrace.train.first_model import set_dtype
from headrace.train.given import Stage
from headrace.train.loop import Loop
from headrace.train.publish import body_of
from headrace.train.state import TrainState

FOLDER = "adapter"
WATCHED_TOKENS = 64


def publish_adapter(stage: Stage, state: TrainState, loop: Loop) -> dict[str, Any]:
    """Writes the adapter in peft's format beside the model, and merges it if it can be; returns how much that changed.

    An adapter that cannot be merged stays one: the model's folder then holds the base.
    """
    adapters, config = state.adapters, stage.config.adapter
    assert adapters is not None, "there is an adapter to publish"
    assert config is not None, "there is an adapter to publish"
    base = str(stage.initial.path) if stage.initial else ""
    task = None
    if loop.feed.head is not None:
        task = "TOKEN_CLS" if loop.feed.head.task == "tag" else "SEQ_CLS"
    save_peft(adapters, stage.workspace.output / FOLDER, base=base, task=task, num_steps=loop.num_steps)
    if config.kind in NOT_PART:
        take_out(adapters)
        return {"adapter": config.kind, "merged": False}
    generator = torch.Generator().manual_seed(stage.seed)
    token_1T = torch.randint(stage.vocabulary_size, (1, WATCHED_TOKENS), generator=generator)
    set_dtype(state.model, torch.float32)  # training is over
    report = merge(adapters, lambda model: _logits(model, token_1T))
    body_of(state.model).requires_grad_(True)
    return {"adapter": config.kind, "merged": True, "drift": report.as_json()}


def _logits(model: Model, token_1T: Tensor) -> Tensor:
    return model.logits(token_1T, token_1T) if isinstance(model, EncoderDecoder) else model.logits(token_1T)
