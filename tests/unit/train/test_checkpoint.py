"""Checkpoints: damage of any kind to any file is seen and survived, and only what is wanted stays on the disk."""

import logging
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from small_models import rough_decoder, small_config

from headrace.errors import StoreError
from headrace.train.checkpoint import Checkpoints
from headrace.train.config import CheckpointConfig
from headrace.train.optimizer import build_optimizer
from headrace.train.optimizer_config import AdamWConfig
from headrace.train.progress import Progress
from headrace.train.state import TrainState, copy_into

Open = Callable[..., Checkpoints]


def state_after(step: int, **progress: float | int) -> TrainState:
    """Weights and moments that differ from step to step."""
    model = rough_decoder(small_config(depth=1), vocabulary_size=60, seed=step)
    state = TrainState(model, build_optimizer(AdamWConfig(), model), Progress(step=step, **progress))
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    state.optimizer.step()
    return state


@pytest.fixture
def open_checkpoints(tmp_path: Path) -> Iterator[Open]:
    opened = []

    def open_folder(*, keep: int = 2, every_seconds: float = 0.0) -> Checkpoints:
        config = CheckpointConfig(keep=keep, every_seconds=every_seconds)
        opened.append(Checkpoints(tmp_path / "checkpoints", config))
        return opened[-1]

    yield open_folder
    for checkpoints in opened:
        checkpoints.close()


def write(checkpoints: Checkpoints, *states: TrainState, keep: bool = False) -> None:
    for state in states:
        checkpoints.offer(state, keep=keep)
        checkpoints.wait()


def steps_in(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in (folder / "checkpoints").iterdir())


def test_what_is_loaded_is_what_was_offered_to_the_bit(open_checkpoints: Open) -> None:
    state, other = state_after(5, best_step=5, best_loss=0.1 + 0.2, num_worse=3), state_after(6)
    checkpoints = open_checkpoints()
    write(checkpoints, state)

    other.restore(*open_checkpoints().load(checkpoints.newest()))

    assert other.progress == state.progress
    one, two = state.tensors(), other.tensors()
    assert one.keys() == two.keys()
    assert len(one) == 3 * len(list(state.model.parameters()))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_training_may_go_on_while_a_checkpoint_is_written(open_checkpoints: Open) -> None:
    state = state_after(1)
    before = copy_into({}, state.tensors())
    checkpoints = open_checkpoints()

    checkpoints.offer(state)
    checkpoints.let_change()
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.fill_(0.0)
    checkpoints.wait()

    tensors, _ = checkpoints.load(1)
    assert all(torch.equal(tensors[name], before[name]) for name in before)


def mutations(whole: bytes, generator: random.Random) -> Iterator[tuple[str, bytes | None]]:
    """Ways a file can go wrong; None is a file that is gone."""
    places = {0, len(whole) - 1, *(generator.randrange(len(whole)) for _ in range(62))}
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << generator.randrange(8)
        yield f"bit flipped in byte {place}", bytes(flipped)
    for cut in (1, len(whole) // 2, len(whole) - 1):
        yield f"cut to {cut}", whole[:cut]
    yield "zeroed", bytes(len(whole))
    yield "grown", whole + b"\0"
    yield "emptied", b""
    yield "deleted", None


def test_damage_to_any_file_of_the_newest_is_seen_and_the_one_before_is_taken(
    open_checkpoints: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(open_checkpoints(), state_after(1), state_after(2))
    newest, saved = tmp_path / "checkpoints" / "step-00000002", tmp_path / "saved"
    shutil.copytree(newest, saved)
    generator = random.Random(7)
    names = sorted(path.name for path in saved.iterdir())
    assert names == ["manifest.json", "progress.json", "state.safetensors"]

    count = 0
    for name in names:
        for what, content in mutations((saved / name).read_bytes(), generator):
            shutil.rmtree(newest, ignore_errors=True)
            shutil.copytree(saved, newest)
            if content is None:
                (newest / name).unlink()
            else:
                (newest / name).write_bytes(content)
            caplog.clear()
            with caplog.at_level(logging.WARNING, logger="headrace"):
                step = open_checkpoints().newest()
            blamed = [record.getMessage() for record in caplog.records]
            # A manifest with a changed name or digest blames the file it misdescribes; both lie in one folder.
            assert step == 1, f"{name}, {what}: not seen"
            assert len(blamed) == 1
            assert f"{newest}/" in blamed[0]
            assert name == "manifest.json" or f"{newest / name}:" in blamed[0]
            count += 1
    assert count >= 90
    assert open_checkpoints().load(1)[1].step == 1


def test_a_damaged_checkpoint_makes_room_for_a_good_one_of_its_step(open_checkpoints: Open, tmp_path: Path) -> None:
    write(open_checkpoints(), state_after(1), state_after(2))
    flip(tmp_path / "checkpoints" / "step-00000002" / "state.safetensors")

    checkpoints = open_checkpoints(keep=1)
    assert checkpoints.newest() == 1
    write(checkpoints, state_after(2))

    assert open_checkpoints().newest() == 2
    assert steps_in(tmp_path) == [2]


def test_if_all_are_damaged_training_begins_anew(open_checkpoints: Open, tmp_path: Path) -> None:
    write(open_checkpoints(), state_after(1), state_after(2))
    for path in (tmp_path / "checkpoints").glob("*/state.safetensors"):
        flip(path)

    assert open_checkpoints().newest() == 0


def test_a_damaged_checkpoint_is_never_loaded(open_checkpoints: Open, tmp_path: Path) -> None:
    write(open_checkpoints(), state_after(1))
    flip(tmp_path / "checkpoints" / "step-00000001" / "state.safetensors")

    with pytest.raises(StoreError, match=r"state\.safetensors: its SHA-256"):
        open_checkpoints().load(1)


def test_a_best_model_that_is_damaged_is_forgotten_with_a_warning(
    open_checkpoints: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    best = {"best_step": 1, "best_loss": 2.0}
    write(open_checkpoints(keep=1), state_after(1, **best), state_after(2, num_worse=1, **best))
    assert open_checkpoints().load(2)[1] == Progress(step=2, num_worse=1, **best)
    flip(tmp_path / "checkpoints" / "step-00000001" / "state.safetensors")

    with caplog.at_level(logging.WARNING, logger="headrace"):
        _, progress = open_checkpoints().load(2)

    assert progress == Progress(step=2)
    assert "step-00000001/state.safetensors" in caplog.text


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_are_kept_and_the_best_besides(keep: int, open_checkpoints: Open, tmp_path: Path) -> None:
    checkpoints = open_checkpoints(keep=keep)
    for step in range(1, 7):
        write(checkpoints, state_after(step, best_step=min(step, 2), best_loss=1.0))

    assert steps_in(tmp_path) == sorted({2, *range(7 - keep, 7)})


def test_what_a_killed_writer_left_is_removed_and_nothing_else(open_checkpoints: Open, tmp_path: Path) -> None:
    write(open_checkpoints(), state_after(1))
    half = tmp_path / "checkpoints" / ".step-00000002.tmp"
    half.mkdir()
    (half / "state.safetensors").write_bytes(b"half")

    checkpoints = open_checkpoints()
    checkpoints.clean()
    write(checkpoints, state_after(2))

    assert steps_in(tmp_path) == [1, 2]
    assert checkpoints.newest() == 2


def test_nothing_is_written_before_it_is_time_unless_it_must_be_kept(open_checkpoints: Open, tmp_path: Path) -> None:
    checkpoints = open_checkpoints(every_seconds=3_600)

    write(checkpoints, state_after(1))
    assert steps_in(tmp_path) == []
    write(checkpoints, state_after(2), keep=True)
    assert steps_in(tmp_path) == [2]


def test_an_error_of_the_writer_reaches_the_loop(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", CheckpointConfig(every_seconds=0.0))
    (tmp_path / "checkpoints").rmdir()
    checkpoints.offer(state_after(1))

    with pytest.raises(FileNotFoundError):
        checkpoints.offer(state_after(2), keep=True)
    with pytest.raises(FileNotFoundError):
        checkpoints.close()


def test_a_writer_that_is_killed_at_any_moment_leaves_a_checkpoint_that_loads(
    open_checkpoints: Open, tmp_path: Path
) -> None:
    """Fifty times, while it writes one after the other: the newest is whole, and only the one at hand may be lost."""
    generator, step = random.Random(1), 0
    states = [state_after(number) for number in range(8)]
    for _ in range(50):
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            write_on(tmp_path / "checkpoints", states, first=step + 1, told=writer)
        os.close(writer)
        os.read(reader, 1)  # the first of this round is written
        time.sleep(generator.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reader, "rb") as rest:
            num_told = 1 + len(rest.read())

        checkpoints = open_checkpoints(keep=3)
        checkpoints.clean()
        newest = checkpoints.newest()
        tensors, progress = checkpoints.load(newest)
        wanted = states[newest % 8].tensors()

        assert newest - (step + num_told) in (0, 1)
        assert progress.step == newest
        assert all(torch.equal(tensors[name], wanted[name]) for name in wanted)
        assert not list((tmp_path / "checkpoints").glob(".*"))
        step = newest


def write_on(folder: Path, states: list[TrainState], *, first: int, told: int) -> NoReturn:
    """Writes one checkpoint after the other, and a byte into `told` for each, until it is killed."""
    checkpoints = Checkpoints(folder, CheckpointConfig(keep=3, every_seconds=0.0))
    for step in range(first, first + 10_000):
        state = states[step % 8]
        state.progress = Progress(step=step)
        checkpoints.write(state)
        checkpoints.wait()
        os.write(told, b".")
    os._exit(1)
