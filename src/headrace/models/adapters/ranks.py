"""AdaLoRA's ranks: how important each is, and which of them stay.

Each adapted layer has triplets of a column, a factor and a row. What a triplet is worth is a running mean of |weight x
gradient| times how much that wavers, of its three parts together; the least worthy of all layers lose their factor.
Source: Zhang et al. 2023, arXiv 2303.10512, section 3; the arithmetic is peft's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

ADAPTER = "adapter"  # what peft's code looks for in a name


class Ranks:
    """The ranks of one adapter while it is trained."""

    def __init__(self, weights: Mapping[str, nn.Parameter], settings: Any) -> None:
        """weights: `LAYER.lora_A`, `.lora_B` and `.lora_E` of every layer. settings: an `AdaLoraConfig` of peft."""
        from peft.tuners.adalora.layer import RankAllocator

        self._weights = {f"{name}.{ADAPTER}": parameter for name, parameter in weights.items()}
        self._settings = settings
        self._allocator: Any = RankAllocator(self, settings, ADAPTER)
        self._kept: dict[str, list[bool]] = {}
        self._is_decided = False

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """What peft asks a model for. This is no model, so that it sees this adapter and no other."""
        return iter(self._weights.items())

    def after_update(self, step: int) -> None:
        """Takes note of the gradients, and takes ranks away where it is time."""
        settings = self._settings
        last = settings.total_step - settings.tfinal
        if step > last or self._is_decided:
            self._allocator.mask_using_rank_pattern(self, self._kept)
            return
        _, kept = self._allocator.update_and_allocate(self, step, force_mask=step == last)
        self._kept = kept or self._kept
        if step == last:
            self._allocator.reset_ipt()

    def penalty(self) -> Tensor:
        """How far columns and rows are from being orthogonal, in the mean over all matrices."""
        grams = [p @ p.T for name, p in self._weights.items() if ".lora_A." in name]
        grams += [p.T @ p for name, p in self._weights.items() if ".lora_B." in name]
        stacked = torch.stack(grams)
        identity = torch.eye(stacked.shape[-1], device=stacked.device)
        norms = torch.linalg.matrix_norm(stacked - identity)
        weight: float = self._settings.orth_reg_weight
        return weight * norms.mean()

    @property
    def budget(self) -> int:
        """Ranks of all layers that stay in the end."""
        return int(self._allocator.target_bgt)

    def kept(self) -> dict[str, list[bool]]:
        """Of each layer, which ranks stay; empty until some were taken."""
        suffix = f".lora_E.{ADAPTER}"
        return {name.removesuffix(suffix): list(kept) for name, kept in self._kept.items()}

    def decide(self, kept: Mapping[str, list[bool]]) -> None:
        """Holds to these ranks from now on."""
        self._kept = {f"{layer}.lora_E.{ADAPTER}": mask for layer, mask in kept.items()}
        self._is_decided = True

    def state(self) -> dict[str, Tensor]:
        """The running means and what was decided, as tensors by name."""
        means = {f"ranks.mean.{name}": tensor for name, tensor in self._allocator.exp_avg_ipt.items()}
        wavering = {f"ranks.wavering.{name}": tensor for name, tensor in self._allocator.exp_avg_unc.items()}
        kept = {f"ranks.kept.{name}": torch.tensor(kept) for name, kept in self._kept.items()}
        return means | wavering | kept

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continues from what `state` gave."""
        allocator = self._allocator
        allocator.exp_avg_ipt = _under("ranks.mean.", state)
        allocator.exp_avg_unc = _under("ranks.wavering.", state)
        allocator.ipt = {name: torch.zeros_like(tensor) for name, tensor in allocator.exp_avg_ipt.items()}
        self._kept = {name: kept.tolist() for name, kept in _under("ranks.kept.", state).items()}


def _under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor.clone() for name, tensor in state.items() if name.startswith(prefix)}
