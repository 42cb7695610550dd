"""Compiled blocks, checked against plain ones before anything is learnt from them.

Compilers err: GCC 12 with `-O3 -march=native` on an Intel machine with AMX turned torch 2.13's kernels of the
attention's backward pass into ones that give no numbers from rows of 256 tokens on; with vectors of 256 bits all was
right. A wrong gradient is found here, at the price of one micro-batch without compiled code.
"""

import logging

import torch
from torch import Tensor

from headrace.models.decoder import Decoder
from headrace.objectives import causal_loss
from headrace.parallel import Group
from headrace.tokens import Batch
from headrace.trace import event
from headrace.train.numerics import Numerics

logger = logging.getLogger("headrace")

TOLERANCE = 0.1
"""Largest difference of a gradient from the plain one, in parts of its norm; bf16 rounds to some hundredths of this."""
OTHER_TARGET = "skylake-avx512"
"""What is tried where code for just this processor is wrong: the compiler then prefers vectors of 256 bits."""


def compile_checked(model: Decoder, batch: Batch, *, numerics: Numerics, group: Group) -> Numerics:
    """Compiles the blocks of a model and returns how it computes from now on: not compiled, where that is never right.

    batch: some rows as the stage will have them. To be called in every process; all come to the same answer.
    """
    plain = _gradients(model, batch, numerics, compiled=False)
    targets = [numerics.compile_for]
    if numerics.compile_for is None and torch.backends.cpu.get_cpu_capability() == "AVX512":
        targets.append(OTHER_TARGET)
    for target in targets:
        torch._inductor.config.cpp.march = target
        for block in model.blocks:
            block.compile(dynamic=False)
        found = _gradients(model, batch, numerics, compiled=True)
        wrong = torch.tensor(0.0 if _agree(plain, found, is_noisy=model.config.is_noisy) else 1.0)
        group.add_up([wrong])
        if not wrong:
            return numerics.model_copy(update={"compile_for": target})
        event("compiled_wrong", target=target or "native")
        torch._dynamo.reset()
    for block in model.blocks:
        block._compiled_call_impl = None  # what `compile` has set, and nothing else undoes
    logger.warning(
        "compiled kernels give wrong gradients on this machine: training runs uncompiled, at about half the speed. "
        "Another compiler (CXX=clang++) may help."
    )
    return numerics.model_copy(update={"compiled": False})


def _gradients(model: Decoder, batch: Batch, numerics: Numerics, *, compiled: bool) -> list[Tensor]:
    """Gradients that everything behind them has a part in: of the embedding and of the first block."""
    with numerics.autocast():
        hidden_BTD = model(
            torch.from_numpy(batch.tokens_BT),
            torch.from_numpy(batch.positions_BT),
            torch.from_numpy(batch.documents_BT),
        )
    target_N = torch.from_numpy(batch.targets_BT).flatten()
    causal_loss(hidden_BTD.flatten(0, 1), model.head_weight, target_N, compiled=compiled).backward()
    chosen = [*model.embedding.parameters(), *model.blocks[0].parameters()]
    gradients = [parameter.grad.clone() for parameter in chosen if parameter.grad is not None]
    model.zero_grad()
    return gradients


def _agree(plain: list[Tensor], found: list[Tensor], *, is_noisy: bool) -> bool:
    """Whether gradients are the same but for rounding; with dropout, which draws anew, whether they are numbers."""
    if not all(bool(torch.isfinite(gradient).all()) for gradient in found):
        return not all(bool(torch.isfinite(gradient).all()) for gradient in plain)  # then it is no compiler's fault
    pairs = zip(plain, found, strict=True)
    return is_noisy or all(bool((one - other).norm() <= TOLERANCE * one.norm()) for one, other in pairs)
