"""The chunked loss is torch's cross-entropy, and the loss of packed rows is that of their documents."""

import pytest
import torch
from small_models import inputs_of, rough_decoder, small_config
from small_road import END, Road
from torch import Tensor
from torch.nn import functional

from headrace.objectives import cross_entropy
from headrace.objectives.cross_entropy import Extra, summed_cross_entropy, token_losses
from headrace.tokens import IGNORED, BatchStream, TokenStore

WIDTH, VOCABULARY = 16, 97
PATTERNS = {
    "none ignored": lambda n: torch.zeros(n, dtype=torch.bool),
    "every third": lambda n: torch.arange(n) % 3 == 0,
    "all but the last": lambda n: torch.arange(n) < n - 1,
    "a whole chunk": lambda n: (torch.arange(n) >= 16) & (torch.arange(n) < 48),
    "all": lambda n: torch.ones(n, dtype=torch.bool),
}


def random_case(count: int, pattern: str, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count)
    hidden_ND = torch.randn(count, WIDTH, generator=generator).to(dtype)
    head_VD = torch.randn(VOCABULARY, WIDTH, generator=generator)
    target_N = torch.randint(0, VOCABULARY, (count,), generator=generator)
    return hidden_ND.requires_grad_(), head_VD.requires_grad_(), target_N.masked_fill(PATTERNS[pattern](count), IGNORED)


def gradients(loss: Tensor, hidden_ND: Tensor, head_VD: Tensor) -> tuple[Tensor, Tensor]:
    return torch.autograd.grad(loss, (hidden_ND, head_VD))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("chunk", [16, 33, 10_000])
@pytest.mark.parametrize("count", [1, 16, 64, 100])
def test_loss_and_gradients_are_those_of_torch(
    count: int, chunk: int, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_entropy, "LEAST_TOKENS", 1)
    monkeypatch.setattr(cross_entropy, "CHUNK_LOGITS", chunk * VOCABULARY)
    hidden, head, target = random_case(count, pattern)

    loss = summed_cross_entropy(hidden, head, target)
    wanted = functional.cross_entropy(hidden @ head.T, target, reduction="sum")

    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(gradients(loss, hidden, head), gradients(wanted, hidden, head), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("chunk", [16, 10_000])
def test_the_z_loss_is_differentiated_and_not_counted(
    chunk: int, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_entropy, "LEAST_TOKENS", 1)
    monkeypatch.setattr(cross_entropy, "CHUNK_LOGITS", chunk * VOCABULARY)
    hidden, head, target = random_case(100, pattern)

    loss = summed_cross_entropy(hidden, head, target, extra=Extra(z_weight=0.3))

    assert torch.equal(loss.detach(), summed_cross_entropy(hidden, head, target).detach())
    log_z = (hidden @ head.T).logsumexp(dim=1)[target != IGNORED]
    wanted = functional.cross_entropy(hidden @ head.T, target, reduction="sum") + 0.3 * (log_z**2).sum()
    for ours, theirs in zip(gradients(loss, hidden, head), gradients(wanted, hidden, head), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_with_nothing_to_learn_loss_and_gradient_are_zero() -> None:
    hidden, head, target = random_case(40, "all")

    loss = summed_cross_entropy(hidden, head, target)

    assert float(loss.detach()) == 0.0
    assert all((gradient == 0).all() for gradient in gradients(loss, hidden, head))


def test_a_scaled_loss_scales_its_gradients() -> None:
    hidden, head, target = random_case(50, "every third")

    plain = gradients(summed_cross_entropy(hidden, head, target), hidden, head)
    scaled = gradients(summed_cross_entropy(hidden, head, target) * -0.125, hidden, head)

    for one, eighth in zip(plain, scaled, strict=True):
        assert torch.equal(eighth, one * -0.125)


def test_bfloat16_is_close_and_the_sum_stays_float32() -> None:
    hidden, head, target = random_case(100, "every third", torch.bfloat16)

    loss = summed_cross_entropy(hidden, head, target)
    wanted = functional.cross_entropy(hidden.float() @ head.T, target, reduction="sum")

    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-2)
    hidden_gradient, head_gradient = gradients(loss, hidden, head)
    assert (hidden_gradient.dtype, head_gradient.dtype) == (torch.bfloat16, torch.float32)
    wanted_gradients = gradients(wanted, hidden, head)
    for ours, theirs in zip((hidden_gradient, head_gradient), wanted_gradients, strict=True):
        assert float((ours - theirs).norm() / theirs.norm()) < 2e-2


def test_huge_logits_overflow_nowhere() -> None:
    hidden, head, target = random_case(30, "none ignored")
    with torch.no_grad():
        hidden *= 1e4

    loss = summed_cross_entropy(hidden, head, target)

    torch.testing.assert_close(loss, functional.cross_entropy(hidden @ head.T, target, reduction="sum"))
    assert all(torch.isfinite(gradient).all() for gradient in gradients(loss, hidden, head))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_losses_of_tokens_are_those_of_torch_and_sum_to_the_loss(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_entropy, "LEAST_TOKENS", 1)
    monkeypatch.setattr(cross_entropy, "CHUNK_LOGITS", 20 * VOCABULARY)
    hidden, head, target = random_case(64, pattern)

    losses = token_losses(hidden, head, target)

    wanted = functional.cross_entropy(hidden @ head.T, target, reduction="none")
    torch.testing.assert_close(losses, wanted.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(losses.sum(), summed_cross_entropy(hidden, head, target).detach(), rtol=1e-5, atol=1e-5)


def test_the_loss_of_packed_rows_is_the_sum_over_their_documents(road: Road) -> None:
    """Each document alone behind an end token, shifted by hand: input t predicts token t."""
    decoder = rough_decoder(small_config())
    store = TokenStore(road.tokens, "train")
    num_rows = store.plan.num_rows
    batch = BatchStream(store, end_token=END, seed=3, batch_rows=num_rows).batch(0)

    with torch.no_grad():
        hidden = decoder(*inputs_of(batch)).flatten(0, 1)
    packed = summed_cross_entropy(hidden, decoder.head_weight, torch.from_numpy(batch.targets_BT).flatten())

    separate = 0.0
    for number in range(store.num_documents):
        ids = [END, *store.document(number).tolist()]
        for start in range(0, len(ids) - 1, store.row_tokens):
            piece = torch.tensor(ids[start : start + store.row_tokens + 1])
            with torch.no_grad():
                logits = decoder.logits(piece[None, :-1])[0].double()
            separate += float(functional.cross_entropy(logits, piece[1:], reduction="sum"))

    assert float(packed.detach()) == pytest.approx(separate, rel=1e-6)
    assert batch.num_targets == store.lengths.sum()


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("chunk", [16, 10_000])
def test_a_bias_is_added_and_learnt(chunk: int, pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_entropy, "LEAST_TOKENS", 1)
    monkeypatch.setattr(cross_entropy, "CHUNK_LOGITS", chunk * VOCABULARY)
    hidden, head, target = random_case(70, pattern)
    bias = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(2)).requires_grad_()
    both = Extra(z_weight=0.2, smoothing=0.1)

    loss = summed_cross_entropy(hidden, head, target, bias_V=bias, extra=both)

    logits = hidden @ head.T + bias
    plain = functional.cross_entropy(logits, target, reduction="sum")
    learnt = functional.cross_entropy(logits, target, reduction="sum", label_smoothing=0.1)
    learnt = learnt + 0.2 * (logits.logsumexp(dim=1)[target != IGNORED] ** 2).sum()
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        token_losses(hidden.detach(), head, target, bias_V=bias).sum(), plain.detach(), rtol=1e-5, atol=1e-4
    )
    wanted = torch.autograd.grad(learnt, (hidden, head, bias))
    for ours, theirs in zip(torch.autograd.grad(loss, (hidden, head, bias)), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_smoothing_is_torchs_and_is_not_counted(smoothing: float) -> None:
    hidden, head, target = random_case(50, "every third")

    loss = summed_cross_entropy(hidden, head, target, extra=Extra(smoothing=smoothing))

    learnt = functional.cross_entropy(hidden @ head.T, target, reduction="sum", label_smoothing=smoothing)
    assert torch.equal(loss.detach(), summed_cross_entropy(hidden, head, target).detach())
    for ours, theirs in zip(gradients(loss, hidden, head), gradients(learnt, hidden, head), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_frozen_head_gets_no_gradient_and_what_is_before_it_the_same() -> None:
    hidden, head, target = random_case(50, "every third")
    frozen = head.detach()

    summed_cross_entropy(hidden, frozen, target).backward()

    assert frozen.grad is None
    torch.testing.assert_close(hidden.grad, gradients(summed_cross_entropy(hidden, head, target), hidden, head)[0])
