"""What is recomputed changes what is kept, and no bit of what is learnt."""

from typing import Any

import pytest
import torch
from small_models import rough_model, small_config
from torch import Tensor
from torch._dynamo.utils import counters

from headrace.models.build import Model
from headrace.models.recompute import Recomputed
from headrace.models.rows import Rows, SourceRows
from headrace.train.numerics import compiler_found

NOISE = {"dropout": 0.2, "attention_dropout": 0.1, "stochastic_depth": 0.3}
MODELS: dict[str, dict[str, Any]] = {
    "decoder": {},
    "noisy decoder": NOISE,
    "noisy encoder": {"shape": "encoder", "norm_place": "post", "gated": False, **NOISE},
    "noisy encoder-decoder": {"shape": "encoder_decoder", "positions": "relative", **NOISE},
}
HALVES: tuple[Recomputed, ...] = ("attention", "feed_forward", "block")


def two_rows(model: Model) -> Rows:
    """Packed rows of two documents each."""
    generator = torch.Generator().manual_seed(5)
    token_BT = torch.randint(0, 60, (2, 24), generator=generator)
    position_BT = torch.tensor([*range(10), *range(14)]).expand(2, -1)
    document_BT = torch.tensor([0] * 10 + [1] * 14).expand(2, -1)
    source = SourceRows(token_BT.flip(1), position_BT, document_BT) if model.config.shape == "encoder_decoder" else None
    return Rows(token_BT, position_BT, document_BT, source=source)


def gradients(model: Model, recomputed: Recomputed) -> tuple[Tensor, list[Tensor], int]:
    """Hidden states, all gradients, and the bytes that were kept for them."""
    for block in model.all_blocks:
        block.recomputed = recomputed
    model.train()
    model.zero_grad()
    torch.manual_seed(11)
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        hidden = model.hidden_states(two_rows(model))
    (hidden * torch.linspace(-1, 1, hidden.shape[-1])).square().sum().backward()
    found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return hidden.detach(), [gradient.clone() for gradient in found], sum(kept.values())


@pytest.mark.parametrize("recomputed", HALVES)
@pytest.mark.parametrize("given", MODELS.values(), ids=MODELS.keys())
def test_gradients_have_the_same_bits_and_less_is_kept(given: dict[str, Any], recomputed: Recomputed) -> None:
    model = rough_model(small_config(depth=2, **given), vocabulary_size=60)

    hidden, plain, kept = gradients(model, "nothing")
    again, found, kept_again = gradients(model, recomputed)

    assert torch.equal(hidden, again)
    assert len(plain) == len(found) > 10
    assert all(torch.equal(one, other) for one, other in zip(plain, found, strict=True))
    assert kept_again < 0.8 * kept


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch's own, while it compiles
@pytest.mark.skipif(not compiler_found(), reason="no C++ compiler")
def test_a_compiled_block_is_recomputed_as_it_was_compiled() -> None:
    model = rough_model(small_config(depth=1), vocabulary_size=60)
    found = {}
    for recomputed in ("nothing", "block"):
        counters.clear()
        for block in model.all_blocks:
            block.recomputed = recomputed  # before it is compiled, which looks at it
            block.compile(dynamic=False)
        found[recomputed] = gradients(model, recomputed)
        assert counters["stats"]["unique_graphs"] == 1
        torch._dynamo.reset()

    (_, plain, kept), (_, again, kept_again) = found["nothing"], found["block"]
    assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))
    assert kept_again < 0.8 * kept
