"""Cross-entropy of tokens, a chunk of tokens at a time, its gradient taken on the way forward.

Shape letters: N tokens, D width, V vocabulary.

Full logits of 2,048 tokens and 8,192 words are 64 MB in float32, and memory, not arithmetic, then sets the pace. A
chunk of logits stays in the cache, and since its gradient needs only its own softmax, both are made together and
nothing is kept or computed twice. torch's own `linear_cross_entropy` with chunking took five times as long on CPU
(torch 2.13: 296 ms against 55 ms for 2,048 x 320 x 8,192 in bf16). Source of the idea: Hsu et al. 2024 (Liger
Kernel), arXiv 2410.10989.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from headrace.tokens import IGNORED

CHUNK_LOGITS = 1 << 22  # 512 tokens of an 8,192-token vocabulary: 8 MB in bf16
LEAST_TOKENS = 256  # each chunk is added to the head's gradient, which for a large vocabulary is larger than its logits

ChunkFunction = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Extra:
    """What is differentiated besides the cross-entropy, and not reported, so that losses stay comparable."""

    z_weight: float = 0.0
    """Adds z_weight x log(sum(exp(logits)))^2 of every valid target: the z-loss of Chowdhery et al. 2022, arXiv
    2204.02311, section 5."""
    smoothing: float = 0.0
    """Share of each target that is spread over all tokens: Szegedy et al. 2016, arXiv 1512.00567, section 7."""


NOTHING = Extra()


def summed_cross_entropy(
    hidden_ND: Tensor,
    head_VD: Tensor,
    target_N: Tensor,
    *,
    bias_V: Tensor | None = None,
    compiled: bool = False,
    extra: Extra = NOTHING,
) -> Tensor:
    """Sum over valid targets of the negative log-likelihood, in nats, as a float32 scalar that can be differentiated
    once.

    target_N: int ids, or IGNORED. bias_V: added to the logits. Products run in the dtype of `hidden_ND`, softmax
    and sum in float32.
    """
    function = _chunk_function(compiled, extra)
    loss: Tensor = _ChunkedCrossEntropy.apply(hidden_ND, head_VD, bias_V, target_N.long(), function)
    return loss


@torch.no_grad()
def token_losses(hidden_ND: Tensor, head_VD: Tensor, target_N: Tensor, *, bias_V: Tensor | None = None) -> Tensor:
    """Negative log-likelihood of each target in nats, float32 (N,); zero where the target is ignored."""
    weight, target_N = head_VD.to(hidden_ND.dtype), target_N.long()  # torch gathers by 64-bit indices only
    chunk = chunk_tokens(head_VD)
    bias = None if bias_V is None else bias_V.to(hidden_ND.dtype)
    losses = [
        _losses(functional.linear(hidden_ND[start : start + chunk], weight, bias), target_N[start : start + chunk])
        for start in range(0, len(target_N), chunk)
    ]
    return torch.cat(losses) if losses else torch.zeros(0)


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        head_VD: Tensor,
        bias_V: Tensor | None,
        target_N: Tensor,
        function: ChunkFunction,
    ) -> Tensor:
        weight = head_VD.to(hidden_ND.dtype)
        bias = None if bias_V is None else bias_V.to(hidden_ND.dtype)
        chunk = chunk_tokens(head_VD)
        total = torch.zeros((), dtype=torch.float32, device=hidden_ND.device)
        hidden_gradient = torch.empty_like(hidden_ND)
        is_trained = ctx.needs_input_grad[1]  # a frozen head needs no product for its gradient
        head_gradient = torch.empty_like(head_VD) if is_trained and len(target_N) else None
        bias_gradient = None if bias_V is None else torch.zeros_like(bias_V)
        for start in range(0, len(target_N), chunk):
            here = slice(start, start + chunk)
            loss, gradient_NV = function(functional.linear(hidden_ND[here], weight, bias), target_N[here])
            total += loss
            torch.mm(gradient_NV, weight, out=hidden_gradient[here])
            if head_gradient is not None:
                _put(head_gradient, gradient_NV.T @ hidden_ND[here], is_first=start == 0)
            if bias_gradient is not None:
                bias_gradient += gradient_NV.sum(dim=0, dtype=bias_gradient.dtype)
        ctx.save_for_backward(hidden_gradient, head_gradient, bias_gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        is_one = bool(outputs[0] == 1.0)  # as where the loss itself is differentiated
        gradients = (saved if is_one or saved is None else saved * outputs[0] for saved in ctx.saved_tensors)
        return (*gradients, None, None)


def chunk_tokens(head_VD: Tensor) -> int:
    """Tokens whose logits are made at once."""
    return tokens_at_once(len(head_VD))


def tokens_at_once(vocabulary_size: int) -> int:
    """Tokens of a chunk for so many logits each."""
    return max(LEAST_TOKENS, CHUNK_LOGITS // vocabulary_size)


def _put(total: Tensor, part: Tensor, *, is_first: bool) -> None:
    """Adds a part to a sum in the sum's dtype, float32 while training; the first needs no zeros to be added to."""
    if is_first:
        total.copy_(part)
    else:
        total += part


def _losses(logits_NV: Tensor, target_N: Tensor) -> Tensor:
    logits_NV = logits_NV.float()
    chosen_N = logits_NV.gather(1, target_N.clamp(min=0)[:, None])[:, 0]
    return torch.where(target_N == IGNORED, 0.0, logits_NV.logsumexp(dim=1) - chosen_N)


def _loss_and_gradient(logits_NV: Tensor, target_N: Tensor, *, extra: Extra) -> tuple[Tensor, Tensor]:
    """The summed loss of a chunk, and its gradient by the logits in their dtype: softmax minus one-hot where valid.

    The z-loss adds softmax times 2 x z_weight x log-sum-exp; smoothing takes from the one what it gives to all.
    """
    logits32_NV = logits_NV.float()
    largest_N1 = logits32_NV.amax(dim=1, keepdim=True)
    exponential_NV = (logits32_NV - largest_N1).exp()
    total_N1 = exponential_NV.sum(dim=1, keepdim=True)
    valid_N = target_N != IGNORED
    index_N1 = target_N.clamp(min=0)[:, None]
    log_z_N = total_N1.log()[:, 0] + largest_N1[:, 0]
    loss = torch.where(valid_N, log_z_N - logits32_NV.gather(1, index_N1)[:, 0], 0.0).sum()
    chosen_NV = torch.arange(logits_NV.shape[1], device=logits_NV.device)[None, :] == index_N1
    softmax_NV = exponential_NV / total_N1
    gradient_NV = softmax_NV - chosen_NV.float() * (1.0 - extra.smoothing)
    if extra.smoothing:
        gradient_NV = gradient_NV - extra.smoothing / logits_NV.shape[1]
    if extra.z_weight:
        gradient_NV = gradient_NV + (2.0 * extra.z_weight) * log_z_N[:, None] * softmax_NV
    return loss, torch.where(valid_N[:, None], gradient_NV, 0.0).to(logits_NV.dtype)


@cache
def _chunk_function(compiled: bool, extra: Extra) -> ChunkFunction:
    def function(logits_NV: Tensor, target_N: Tensor) -> tuple[Tensor, Tensor]:
        return _loss_and_gradient(logits_NV, target_N, extra=extra)

    # Chunks of a run differ only in the last one's length: dynamic=False would compile that one as well, once.
    return torch.compile(function, dynamic=False) if compiled else function
