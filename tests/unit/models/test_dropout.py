"""Dropout leaves out the share that is asked, keeps the mean, and repeats itself with its seed."""

import pytest
import torch

from headrace.models.dropout import drop

MANY = 400_003  # no multiple of what one draw decides about


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_share_and_the_mean_are_right(rate: float, dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    dropped = drop(torch.ones(MANY, dtype=dtype), rate).double()

    share = float((dropped == 0).double().mean())
    assert abs(share - rate) < 5 * (rate * (1 - rate) / MANY) ** 0.5
    kept = dropped[dropped != 0]
    assert torch.allclose(kept, torch.full_like(kept, 1 / (1 - rate)), rtol=4e-3 if dtype == torch.bfloat16 else 1e-4)


def test_neighbours_are_left_out_independently() -> None:
    torch.manual_seed(5)
    left_out_NL = (drop(torch.ones(100_000, 4), 0.3) == 0).double()

    together = torch.corrcoef(left_out_NL.T) - torch.eye(4, dtype=torch.float64)
    assert together.abs().max() < 0.02


def test_the_gradient_goes_where_the_value_went() -> None:
    torch.manual_seed(7)
    x = torch.randn(5, 7, requires_grad=True)

    dropped = drop(x, 0.4)
    dropped.sum().backward()

    assert x.grad is not None
    assert torch.equal(x.grad == 0, dropped == 0)


def test_a_seed_repeats_it_and_a_rate_next_to_one_has_a_value() -> None:
    results = []
    for _ in range(2):
        torch.manual_seed(11)
        results.append(drop(torch.ones(3, 50), 0.5))
    assert torch.equal(*results)
    assert drop(torch.ones(1000), 0.999_999).isfinite().all()
