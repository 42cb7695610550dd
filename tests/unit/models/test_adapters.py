"""Adapters: what learns, what stays, which ranks go, and what a merged model says."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from small_models import rough_model, small_config
from torch import Tensor, nn

from headrace.errors import UserError
from headrace.models.adapters.attached import Adapters, weights_of
from headrace.models.adapters.config import AdapterConfig
from headrace.models.adapters.injection import adapt, add_adapter
from headrace.models.adapters.merging import merge, take_out
from headrace.models.build import Model
from headrace.models.cache import KeyValueCache
from headrace.models.decoder import Decoder

VOCABULARY = 40
KINDS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 3},
    "dora": {"rank": 3},
    "adalora": {"first_rank": 4, "rank": 2, "every_steps": 2},
    "bottleneck": {"width": 4},
    "prompt": {"tokens": 3},
    "prefix": {"tokens": 3},
    "ia3": {},
}
MERGEABLE = ("lora", "dora", "adalora", "ia3")
SHAPES = ("decoder", "encoder", "encoder_decoder")


def small(shape: str = "decoder", **given: Any) -> Model:
    return rough_model(small_config(shape=shape, **given), vocabulary_size=VOCABULARY).eval()


def adapted(model: Model, kind: str, *, seed: int = 1, num_steps: int = 20, **given: Any) -> Adapters:
    config = AdapterConfig.model_validate({kind: KINDS[kind]})
    return adapt(model, config, seed=seed, num_steps=num_steps, **given)


def learn(adapters: Adapters, seed: int = 5) -> Adapters:
    """Weights as if something had been learnt: not those that change nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in adapters.trainable_parameters().items():
            mean = 1.0 if name.endswith(("ia3_l", "magnitude_vector")) else 0.0
            parameter.normal_(mean, 0.2, generator=generator)
    return adapters


def ids(*shape: int, seed: int = 3) -> Tensor:
    return torch.randint(VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def logits(model: Model) -> Tensor:
    text = ids(2, 9)
    return model.logits(text, text[:, :6]) if model.config.shape == "encoder_decoder" else model.logits(text)


def train(adapters: Adapters, steps: range, optimizer: torch.optim.Optimizer | None = None) -> torch.optim.Optimizer:
    """Some updates towards other tokens, as a stage would make them."""
    assert isinstance(adapters.model, Decoder)
    optimizer = optimizer or torch.optim.SGD(adapters.trainable_parameters().values(), lr=0.05, momentum=0.9)
    for step in steps:
        text = ids(2, 9, seed=step)
        loss = nn.functional.cross_entropy(adapters.model.logits(text)[:, :-1].flatten(0, 1), text[:, 1:].flatten())
        penalty = adapters.penalty()
        (loss if penalty is None else loss + penalty).backward()
        optimizer.step()
        adapters.after_update(step)
        optimizer.zero_grad()
    return optimizer


@pytest.mark.parametrize("given", [{}, {"lora": {}, "ia3": {}}, {"lora": {"width": 3}}, {"lora": None}, {"lara": {}}])
def test_an_adapter_is_exactly_one_that_is_known(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AdapterConfig.model_validate(given)


def test_a_config_is_written_without_the_kinds_that_it_is_not() -> None:
    config = AdapterConfig.model_validate({"prefix": {"tokens": 4}})

    assert config.as_json() == {"prefix": {"tokens": 4}}
    assert (config.kind, config.num_placeholders, config.num_positions) == ("prefix", 0, 4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_only_the_adapter_learns_and_without_it_the_model_is_as_before(kind: str, shape: str) -> None:
    model = small(shape)
    before = logits(model)
    if (kind, shape) == ("prefix", "encoder_decoder"):
        with pytest.raises(UserError, match="encoder-decoder"):
            adapted(model, kind)
        return
    adapters = learn(adapted(model, kind))
    changed = logits(model)
    changed.square().sum().backward()

    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert adapters.num_trainable == sum(p.numel() for p in model.parameters() if p.requires_grad) > 0
    assert not torch.allclose(changed, before, atol=1e-2)
    with adapters.disabled():
        assert torch.equal(logits(model), before)
    assert torch.equal(logits(model), changed)
    take_out(adapters)
    assert torch.equal(logits(model), before)


@pytest.mark.parametrize("kind", ["lora", "dora", "adalora", "bottleneck", "ia3"])
def test_a_fresh_adapter_changes_nothing(kind: str) -> None:
    model = small()
    before = logits(model)
    adapted(model, kind)

    torch.testing.assert_close(logits(model), before, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_first_weights_follow_from_the_seed(kind: str) -> None:
    first, again, other = (adapted(small(), kind, seed=seed).state() for seed in (1, 1, 2))

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert kind == "ia3" or any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", ["decoder", "encoder"])
def test_documents_of_a_row_stay_apart(kind: str, shape: str) -> None:
    model = small(shape)
    learn(adapted(model, kind))
    documents = [ids(length, seed=length) for length in (5, 8, 4)]
    row = torch.cat(documents)[None]
    positions = torch.cat([torch.arange(len(document)) for document in documents])[None]
    numbers = torch.cat([torch.full((len(d),), index) for index, d in enumerate(documents)])[None]
    packed = model(row, positions, numbers)[0]
    alone = [model(d[None], torch.arange(len(d))[None], torch.zeros(1, len(d)))[0] for d in documents]

    torch.testing.assert_close(packed, torch.cat(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["prompt", "prefix", "lora"])
def test_what_a_cache_continues_is_what_a_whole_row_says(kind: str) -> None:
    model = small()
    assert isinstance(model, Decoder)
    learn(adapted(model, kind))
    text = ids(1, 9)
    cache = KeyValueCache(model.config, batch=1, max_positions=9, dtype=torch.float32)
    with torch.no_grad():
        model.next_logits(text[:, :5], cache)
        for place in range(5, 9):
            found = model.next_logits(text[:, place : place + 1], cache)
        torch.testing.assert_close(found, model.logits(text)[:, -1], rtol=1e-4, atol=1e-5)


def test_a_prompt_begins_as_the_text_that_is_given() -> None:
    model = small()
    adapted(model, "prompt", start_tokens=[7, 9])

    assert torch.equal(weights_of(model, "default")["prompt.prompt_embeddings"], model.embedding.weight[[7, 9, 7]])


def test_adalora_takes_ranks_from_some_layers_until_the_budget_is_met() -> None:
    model = small()
    adapters = adapted(model, "adalora")
    ranks = adapters.attached["default"].ranks
    assert ranks is not None
    counts = []
    optimizer = None
    for step in range(1, 21):
        optimizer = train(adapters, range(step, step + 1), optimizer)
        factors = {n: p for n, p in weights_of(model, "default").items() if n.endswith("lora_E")}
        counts.append(sum(int((factor != 0).sum()) for factor in factors.values()))
    left = {int((factor != 0).sum()) for factor in factors.values()}

    assert counts[1] == 4 * len(factors), "nothing is taken while it warms up"
    when_taken = counts[3:14:2]  # what was taken may grow back until the next time, and is judged again then
    assert when_taken[0] < 4 * len(factors)
    assert sorted(when_taken, reverse=True) == when_taken
    assert set(counts[13:]) == {ranks.budget} == {2 * len(factors)}
    assert len(left) > 1, "layers differ in how much they keep"


def test_orthogonality_is_measured_as_peft_measures_it() -> None:
    model = small()
    adapters = learn(adapted(model, "adalora"))
    terms = [
        torch.linalg.norm((p @ p.T if "lora_A" in n else p.T @ p) - torch.eye(4))
        for n, p in weights_of(model, "default").items()
        if not n.endswith("lora_E")
    ]
    penalty = adapters.penalty()
    assert penalty is not None

    torch.testing.assert_close(penalty, 0.5 * torch.stack(terms).mean())


@pytest.mark.parametrize("cut", [1, 7, 15])
def test_a_resumed_run_is_exact(cut: int) -> None:
    whole = adapted(small(), "adalora")
    train(whole, range(1, 21))
    first = adapted(small(), "adalora")
    optimizer = train(first, range(1, cut + 1))
    second = adapted(small(), "adalora", seed=9)
    resumed = torch.optim.SGD(second.trainable_parameters().values(), lr=0.05, momentum=0.9)
    resumed.load_state_dict(optimizer.state_dict())
    second.restore({name: tensor.clone() for name, tensor in first.state().items()})
    train(second, range(cut + 1, 21), resumed)

    expected = whole.state()
    assert second.state().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in second.state().items())


def test_adapters_share_a_base_and_are_switched_by_name() -> None:
    model = small()
    storage = model.blocks[0].attention.output.weight.data_ptr()
    adapters = learn(adapted(model, "lora", name="one"), seed=1)
    one = logits(model)
    for name, kind in (("two", "dora"), ("three", "prompt")):
        config = AdapterConfig.model_validate({kind: KINDS[kind]})
        add_adapter(adapters, name, config, seed=4, num_steps=20)
        learn(adapters, seed=len(name))
    three = logits(model)
    adapters.use("one")

    assert torch.equal(logits(model), one)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        name for name in (n for n, _ in model.named_parameters()) if ".one" in name
    }
    adapters.use("three")
    assert torch.equal(logits(model), three)
    assert model.blocks[0].attention.output.base_layer.weight.data_ptr() == storage
    with pytest.raises(UserError, match="one, two, three"):
        adapters.use("four")
    with pytest.raises(UserError, match="not on one base"):
        add_adapter(adapters, "five", AdapterConfig.model_validate({"ia3": {}}), seed=1, num_steps=1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_model_says_what_the_adapter_said(kind: str, shape: str) -> None:
    if (kind, shape) == ("prefix", "encoder_decoder"):
        return
    model = small(shape, qkv_bias=True)
    names = list(model.state_dict())
    adapters = learn(adapted(model, kind))
    before = logits(model)
    if kind not in MERGEABLE:
        with pytest.raises(UserError, match="cannot be merged"):
            merge(adapters, logits)
        return
    report = merge(adapters, logits)

    assert list(model.state_dict()) == names
    torch.testing.assert_close(logits(model), before, rtol=1e-4, atol=1e-4)
    assert 0 < report.fp32.mean <= report.fp32.largest < 1e-4 < report.bf16.largest
    assert all(share > 0.01 for share in report.updates.values())


def test_a_head_learns_with_the_adapter() -> None:
    head = nn.Linear(32, 3)
    adapters = adapted(small(), "lora", heads={"score": head})

    assert {"score.weight", "score.bias"} <= adapters.trainable_parameters().keys() <= adapters.state().keys()
    assert head.weight.requires_grad


@pytest.mark.parametrize("kind", ["lora", "adalora", "prefix"])
def test_products_in_bf16_with_dropout_learn(kind: str) -> None:
    model = small(dropout=0.1, attention_dropout=0.1).train()
    adapters = adapted(model, kind)
    model.compute_dtype = torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        found = model(ids(2, 9), torch.arange(9).expand(2, 9), torch.zeros(2, 9))
    found.float().square().sum().backward()

    assert found.dtype == torch.bfloat16
    assert all(bool(torch.isfinite(p.grad).all()) for p in adapters.trainable_parameters().values())


def test_too_few_steps_for_adalora_are_refused() -> None:
    with pytest.raises(UserError, match="needs more than 1 steps"):
        adapted(small(), "adalora", num_steps=1)
