"""How long training waits for a checkpoint, and how long until it is on the disk: headrace's, and torch's own.

    python benchmarks/checkpoint_stall.py                   # 1.5 GB of state; about 2 minutes
    python benchmarks/checkpoint_stall.py --preset tiny --rounds 3

The state is that of AdamW after a step: weights and two moments in float32. Every round changes it and writes it once
with each: headrace's checkpoints, which are hashed and read back whole or not at all; torch's distributed checkpoint,
asynchronous and not; `torch.save`. What counts is what training waits: for the call, and, after a second of products as
a step would compute them, until the state may change. The first writing, which also gets memory for the copy, is told
apart.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed.checkpoint as dcp

from headrace.models.config import ModelConfig
from headrace.models.decoder import build_decoder
from headrace.train.checkpoint import Checkpoints
from headrace.train.config import CheckpointConfig
from headrace.train.optimizer import build_optimizer
from headrace.train.optimizer_config import AdamWConfig
from headrace.train.progress import Progress
from headrace.train.state import TrainState

Waits = tuple[Callable[[], object], Callable[[], object]]
"""Return when the state may change, and when it is on the disk."""


def fresh_state(preset: str) -> TrainState:
    """A model and its optimiser after one step on random gradients."""
    size = {"tiny": 8192, "small": 8192}.get(preset, 50304)
    model = build_decoder(ModelConfig.model_validate({"preset": preset}), size, seed=1)
    state = TrainState(model, build_optimizer(AdamWConfig(), model))
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    state.optimizer.set_rate(1e-3)
    state.optimizer.step()
    state.optimizer.zero_grad()
    return state


def compute(seconds: float = 1.0) -> None:
    """Products, as a step has them."""
    left, start = torch.ones(1024, 1024), time.perf_counter()
    while time.perf_counter() - start < seconds:
        torch.mm(left, left)


def nothing() -> None:
    """Nobody waits."""


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="base")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    state = fresh_state(given.preset)
    size = sum(tensor.nbytes for tensor in state.tensors().values())
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        checkpoints = Checkpoints(folder / "headrace", CheckpointConfig(every_seconds=0.0, keep=1))

        def headrace(step: int) -> Waits:
            state.progress = Progress(step=step)
            checkpoints.write(state)
            return checkpoints.let_change, checkpoints.wait

        def torch_async(step: int) -> Waits:
            future = dcp.async_save(state.tensors(), checkpoint_id=folder / "async" / str(step % 2))
            return nothing, future.result

        def torch_sync(step: int) -> Waits:
            dcp.save(state.tensors(), checkpoint_id=folder / "sync" / str(step % 2))
            return nothing, nothing

        def torch_save(_: int) -> Waits:
            torch.save(state.tensors(), folder / "saved.pt")
            return nothing, nothing

        ways = {
            "headrace": headrace,
            "torch DCP, asynchronous": torch_async,
            "torch DCP": torch_sync,
            "torch.save": torch_save,
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for step in range(1, given.rounds + 2):
            for name, write in ways.items():
                for tensor in state.tensors().values():
                    tensor.detach().mul_(1.0001)
                start = time.perf_counter()
                may_change, is_written = write(step)
                stalled = time.perf_counter() - start
                compute()
                computed = time.perf_counter()
                may_change()
                stalled += time.perf_counter() - computed
                is_written()
                times[name].append((stalled, time.perf_counter() - start))
        checkpoints.close()
    print(f"{size / 1e9:.2f} GB of state, medians of {given.rounds}\n")
    print("| way | training waits | the first time | until it is written |")
    print("|---|---|---|---|")
    for name, found in times.items():
        stall, whole = (statistics.median(values) for values in zip(*found[1:], strict=True))
        print(f"| {name} | {stall:.3f} s | {found[0][0]:.3f} s | {whole:.2f} s |")


if __name__ == "__main__":
    main()
