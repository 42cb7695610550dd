"""Tensors in a file read as those in memory, and leave memory when they are put back."""

from pathlib import Path

import psutil
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from small_models import small_config
from torch import nn

from headrace.models.build import build_model
from headrace.train.memory.by_block import put_weights_away
from headrace.train.memory.shelf import CAUGHT, Shelf
from headrace.train.memory.tensor_file import NAMES, write_tensors

DTYPES = (torch.float32, torch.int8, torch.uint8)
LARGE = 48 << 20


def test_what_is_put_away_again_and_again_keeps_its_bits(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 1 << 24)
    generator = torch.Generator().manual_seed(1)
    tensors = [torch.randint(0, 100, (size, 3), generator=generator).to(dtype) for size in (1, 700) for dtype in DTYPES]
    shelved = [shelf.put(tensor) for tensor in tensors]

    for _ in range(3):
        shelf.release(shelved, changed=True)
        shelf.fetch(shelved)
        assert all(torch.equal(one, other) for one, other in zip(tensors, shelved, strict=True))
        for tensor in (*tensors, *shelved):
            tensor += 1

    assert all(shelf.put(tensor) is tensor and tensor in shelf for tensor in shelved)
    assert not any(tensor in shelf for tensor in tensors)
    assert list(tmp_path.iterdir()) == []


def test_what_is_put_away_takes_no_memory(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, LARGE)
    tensor = shelf.empty((LARGE // 4,), torch.float32)
    before = psutil.Process().memory_info().rss
    tensor.fill_(3.0)
    filled = psutil.Process().memory_info().rss - before

    shelf.release([tensor], changed=True)

    assert filled > 0.9 * LARGE
    assert psutil.Process().memory_info().rss - before < 0.2 * LARGE
    assert float(tensor[-1]) == 3.0


def test_a_model_that_is_built_on_a_shelf_has_the_weights_of_one_in_memory(tmp_path: Path) -> None:
    config = small_config(width=256, feed_forward=256, depth=1)
    plain = build_model(config, 300, seed=4)
    shelf = Shelf(tmp_path, 1 << 24)

    with shelf.catching():
        model = build_model(config, 300, seed=4)
    put_weights_away(model, shelf)

    assert all(torch.equal(one, other) for one, other in zip(plain.parameters(), model.parameters(), strict=True))
    large = [parameter for parameter in model.parameters() if parameter.numel() >= CAUGHT]
    assert len(large) >= 3
    assert all(parameter.detach() in shelf for parameter in large)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4), st.sampled_from(list(NAMES))), max_size=5))
def test_files_are_those_that_safetensors_reads(
    tmp_path_factory: object, sizes: list[tuple[int, int, torch.dtype]]
) -> None:
    folder = tmp_path_factory.mktemp("file")  # type: ignore[attr-defined]  # pytest's own
    tensors = {
        f"t{number}": torch.arange(rows * columns).view(columns, rows).T.to(dtype)
        for number, (rows, columns, dtype) in enumerate(sizes)
    }

    write_tensors(tensors, folder / "a.safetensors")

    found = load_file(folder / "a.safetensors")
    assert found.keys() == tensors.keys()
    assert all(found[name].dtype == tensors[name].dtype for name in tensors)
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_gradients_go_through_what_lies_in_a_file(tmp_path: Path) -> None:
    layer, other = nn.Linear(64, 32), nn.Linear(64, 32)
    other.load_state_dict(layer.state_dict())
    shelf = Shelf(tmp_path, 1 << 20)
    layer.weight.data = shelf.put(layer.weight.detach())
    x = torch.ones(3, 64)

    for one in (layer, other):
        one(x).square().sum().backward()

    assert torch.equal(layer.weight.grad, other.weight.grad)  # type: ignore[arg-type]  # they have one


def test_shelves_in_one_folder_are_apart(tmp_path: Path) -> None:
    """As those of several processes that train together."""
    first, second = (Shelf(tmp_path, 1 << 20).empty((1000,), torch.float32) for _ in range(2))
    first.fill_(1.0)
    second.fill_(2.0)

    assert first.eq(1.0).all()
    assert second.eq(2.0).all()
    assert not list(tmp_path.iterdir())
