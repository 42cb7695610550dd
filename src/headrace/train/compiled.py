"""Compiled blocks, checked against plain ones before anything is learnt from them.

Compilers err: GCC 12 with `-O3 -march=native` on an Intel machine with AMX turned torch 2.13's kernels of the
attention's backward pass into ones that give no numbers from rows of 256 tokens on; with vectors of 256 bits all was
right. A wrong gradient is found here, at the price of one micro-batch without compiled code.
"""

import logging
from typing import Any

import torch
from torch import Tensor, nn

from headrace.models.transformer import Transformer
from headrace.objectives.objective import Objective
from headrace.parallel import Group
from headrace.trace import event
from headrace.train.numerics import Numerics
from headrace.train.trainable import is_noisy

logger = logging.getLogger("headrace")

TOLERANCE = 0.1
"""Largest difference of a gradient from the plain one, in parts of its norm; bf16 rounds to some hundredths of this."""
OTHER_TARGET = "skylake-avx512"
"""What is tried where code for just this processor is wrong: the compiler then prefers vectors of 256 bits."""


def compile_checked(model: nn.Module, part: Any, *, objective: Objective, numerics: Numerics, group: Group) -> Numerics:
    """Compiles the blocks of a model and returns how it computes from now on: not compiled, where that is never right.

    part: some rows as the stage will have them. To be called in every process; all come to the same answer.
    """
    plain = _gradients(model, part, objective, numerics.model_copy(update={"compiled": False}))
    targets, blocks = [numerics.compile_for], list(_body(model).all_blocks)
    if numerics.compile_for is None and torch.backends.cpu.get_cpu_capability() == "AVX512":
        targets.append(OTHER_TARGET)
    for target in targets:
        torch._inductor.config.cpp.march = target
        for block in blocks:
            block.compile(dynamic=False)
        found = _gradients(model, part, objective, numerics)
        wrong = torch.tensor(0.0 if _agree(plain, found, is_noisy=is_noisy(model)) else 1.0)
        group.add_up([wrong])
        if not wrong:
            return numerics.model_copy(update={"compile_for": target})
        event("compiled_wrong", target=target or "native")
        torch._dynamo.reset()
    for block in blocks:
        block._compiled_call_impl = None  # what `compile` has set, and nothing else undoes
    logger.warning(
        "compiled kernels give wrong gradients on this machine: training runs uncompiled, at about half the speed. "
        "Another compiler (CXX=clang++) may help."
    )
    return numerics.model_copy(update={"compiled": False})


def _gradients(model: nn.Module, part: Any, objective: Objective, numerics: Numerics) -> list[Tensor]:
    """Gradients that everything behind them has a part in: of the embedding and of the first block."""
    objective.loss(model, part, numerics).backward()
    body = _body(model)
    chosen = [*body.embedding.parameters(), *next(iter(body.all_blocks)).parameters()]
    gradients = [parameter.grad.clone() for parameter in chosen if parameter.grad is not None]
    model.zero_grad()
    return gradients


def _body(model: nn.Module) -> Transformer:
    return next(module for module in model.modules() if isinstance(module, Transformer))


def _agree(plain: list[Tensor], found: list[Tensor], *, is_noisy: bool) -> bool:
    """Whether gradients are the same but for rounding; with dropout, which draws anew, whether they are numbers."""
    if not all(bool(torch.isfinite(gradient).all()) for gradient in found):
        return not all(bool(torch.isfinite(gradient).all()) for gradient in plain)  # then it is no compiler's fault
    pairs = zip(plain, found, strict=True)
    return is_noisy or all(bool((one - other).norm() <= TOLERANCE * one.norm()) for one, other in pairs)
