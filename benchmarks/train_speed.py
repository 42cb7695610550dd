"""Training speed against peers: the same model, initial weights, rows and steps, one after the other, several rounds.

    python benchmarks/train_speed.py --out train_speed.json             # all sizes; about 40 minutes on 2 cores
    python benchmarks/train_speed.py --sizes 9M --contenders headrace,plain-bf16 --rounds 1
    python benchmarks/train_speed.py --where 33M                        # where a step of headrace goes
    python benchmarks/train_speed.py --in-turns                         # all but Trainer, step by step; 15 minutes

Contenders: headrace; transformers' Llama with its own Trainer in bf16 and, at 9 M, fp32 (needs `pip install
accelerate`); the same Llama in a plain loop with bf16 autocast, eager and compiled. Each round runs each contender once
in a process of its own. Printed for each size: median tokens/s over the rounds (each the median over its steps), CPU
seconds of a step, what share of the bf16 product peak that is, and the loss over the last steps, which must agree. The
peak is measured between steps, in the same process; both shares are printed: that of the time on the wall and that of
CPU time, which another busy process moves less.

`--in-turns` takes one step of each contender after the other in one process, so that all meet the same moods of a
shared machine, and prints medians of the ratios of neighbouring steps. All wait as torch has it then.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch

from headrace.models.config import ModelConfig
from headrace.models.decoder import Decoder, build_decoder
from headrace.models.hugging_face import save_decoder
from headrace.models.machine import use_machine_well
from headrace.objectives.rows import RowObjective
from headrace.parallel import Group
from headrace.tokens import Batch
from headrace.train.calibration import LARGE
from headrace.train.compiled import compile_checked
from headrace.train.gradient import finish_gradient
from headrace.train.numerics import Numerics
from headrace.train.optimizer import build_optimizer
from headrace.train.optimizer_config import AdamWConfig

LEARNING_RATE, SEED, BATCH_TOKENS = 1e-3, 1, 2048
CONTENDERS = ("headrace", "trainer-bf16", "trainer-fp32", "plain-bf16", "plain-bf16-compiled")
PEAK_EVERY, PEAK_PRODUCTS = 4, 5
KINDS = {
    "products": ("aten::mm", "aten::addmm", "aten::linear", "mkldnn"),
    "attention's products": ("aten::bmm",),
    "compiled kernels: mask, softmax, norms, rotation, activation, casts": ("## Call CompiledFxGraph",),
    "optimiser": ("aten::_fused_adam",),
    "norm and scale of the gradient": ("aten::linalg_vector_norm", "aten::mul_", "aten::_foreach"),
    "copies and sums": ("aten::copy_", "aten::add_", "aten::add", "aten::mul", "aten::fill_"),
}

Step = Callable[[torch.Tensor], float]


@dataclass(frozen=True)
class Size:
    """A model, and the rows it learns from; every step has BATCH_TOKENS tokens."""

    model: ModelConfig
    vocabulary: int
    row_tokens: int
    steps: int

    @property
    def batch_rows(self) -> int:
        return BATCH_TOKENS // self.row_tokens

    @property
    def flops(self) -> float:
        """Of a step."""
        return self.model.flops_per_token(self.vocabulary, self.row_tokens) * BATCH_TOKENS


SIZES = {
    "9M": Size(ModelConfig(preset="tiny"), 8192, 256, 48),
    "33M": Size(ModelConfig(preset="small"), 8192, 512, 24),
    "124M": Size(ModelConfig(preset="base", kv_heads=12), 50304, 1024, 12),
}


class Timed(NamedTuple):
    """A step's time on the wall and of the processor, and its loss."""

    seconds: float
    cpu_seconds: float
    loss: float


class Peak:
    """The speed of large products in bf16, measured now and then."""

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = float("inf")
        self._left, self._right = torch.ones(*LARGE[:2]).bfloat16(), torch.ones(*LARGE[1:]).bfloat16()
        self.measure()

    def measure(self) -> None:
        for _ in range(PEAK_PRODUCTS):
            start, cpu_start = time.perf_counter(), time.process_time()
            torch.mm(self._left, self._right)
            self.seconds = min(self.seconds, time.perf_counter() - start)
            self.cpu_seconds = min(self.cpu_seconds, time.process_time() - cpu_start)


def make_rows(size: Size, num_rows: int) -> torch.Tensor:
    """(rows, row tokens + 1) ids with something to learn: each token is followed by one of three others."""
    random = np.random.default_rng(SEED)
    follower = random.integers(0, size.vocabulary, (size.vocabulary, 3))
    rows = np.empty((num_rows, size.row_tokens + 1), np.int64)
    rows[:, 0] = random.zipf(1.3, num_rows) % size.vocabulary
    for place in range(1, size.row_tokens + 1):
        rows[:, place] = follower[rows[:, place - 1], random.integers(0, 3, num_rows)]
    return torch.from_numpy(rows)


def headrace_step(decoder: Decoder, size: Size) -> Step:
    """A step of headrace's own parts, as the loop puts them together."""
    use_machine_well()
    decoder.compute_dtype = torch.bfloat16
    decoder.train()
    numerics = Numerics(precision="bf16", compiled=True, num_threads=torch.get_num_threads(), peak_gflops=1.0)
    place_BT = np.tile(np.arange(size.row_tokens, dtype=np.int16), (size.batch_rows, 1))
    row_BT = np.repeat(np.arange(size.batch_rows, dtype=np.int32)[:, None], size.row_tokens, axis=1)
    objective = RowObjective()

    def batch_of(rows: torch.Tensor) -> Batch:
        ids = rows.numpy().astype(np.int32)
        return Batch(np.ascontiguousarray(ids[:, :-1]), np.ascontiguousarray(ids[:, 1:]), place_BT, row_BT)

    first = batch_of(make_rows(size, size.batch_rows))
    numerics = compile_checked(decoder, first, objective=objective, numerics=numerics, group=Group())
    optimizer = build_optimizer(AdamWConfig(beta2=0.999, weight_decay=0.0), decoder)
    optimizer.set_rate(LEARNING_RATE)

    def step(rows: torch.Tensor) -> float:
        batch = batch_of(rows)
        loss = objective.loss(decoder, batch, numerics)
        loss.backward()  # type: ignore[no-untyped-call]
        total, count = float(loss.detach()), objective.count(batch)
        finish_gradient(decoder.parameters(), num_targets=count, loss=total, largest_norm=1.0, step=0)
        optimizer.step()
        optimizer.zero_grad()
        return total / count

    return step


def plain_step(folder: Path, *, compiled: bool) -> Step:
    """transformers' Llama, AdamW, bf16 autocast, clipping: what one writes by hand."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0, fused=True)
    run = torch.compile(model) if compiled else model

    def step(rows: torch.Tensor) -> float:
        with torch.autocast("cpu", torch.bfloat16):
            logits = run(input_ids=rows[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss)

    return step


def timed_steps(step: Step, rows: torch.Tensor, size: Size, peak: Peak) -> Iterator[Timed]:
    """Each step, and now and then the peak."""
    for number, batch in enumerate(rows.split(size.batch_rows)):
        if number % PEAK_EVERY == 0:
            peak.measure()
        start, cpu_start = time.perf_counter(), time.process_time()
        loss = step(batch)
        yield Timed(time.perf_counter() - start, time.process_time() - cpu_start, loss)


def trainer_steps(folder: Path, rows: torch.Tensor, size: Size, peak: Peak, *, bf16: bool) -> list[Timed]:
    """The same steps by transformers' Trainer, timed by its own callbacks."""
    from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):  # type: ignore[misc]
        starts: list[tuple[float, float]] = []
        ends: list[tuple[float, float]] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            if len(self.starts) % PEAK_EVERY == 0:
                peak.measure()
            self.starts.append((time.perf_counter(), time.process_time()))

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append((time.perf_counter(), time.process_time()))

    # The Trainer shifts labels itself, so a row of 257 ids gives 256 predictions, as everywhere else here.
    dataset = [{"input_ids": row, "labels": row} for row in rows]
    clock = Clock()
    with TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output, per_device_train_batch_size=size.batch_rows, num_train_epochs=1, learning_rate=LEARNING_RATE,
            bf16=bf16, lr_scheduler_type="constant", weight_decay=0.0, logging_steps=1, save_strategy="no",
            report_to=[], use_cpu=True, disable_tqdm=True, max_grad_norm=1.0, train_sampling_strategy="sequential",
        )  # fmt: skip
        model = AutoModelForCausalLM.from_pretrained(folder)
        trainer = Trainer(model, arguments, train_dataset=dataset, callbacks=[clock])
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return [
        Timed(end[0] - start[0], end[1] - start[1], loss)
        for start, end, loss in zip(clock.starts, clock.ends, losses, strict=True)
    ]


def contend(name: str, size: Size) -> dict[str, Any]:
    """One contender's figures, in this process."""
    torch.set_num_threads(threads := len(os.sched_getaffinity(0)))
    rows = make_rows(size, size.steps * size.batch_rows)
    decoder = build_decoder(size.model, size.vocabulary, seed=SEED)
    peak, cpu = Peak(), time.process_time()
    with TemporaryDirectory() as folder:
        save_decoder(decoder, Path(folder), max_positions=size.row_tokens + 1, end_token=0)
        if name.startswith("trainer"):
            timed = trainer_steps(Path(folder), rows, size, peak, bf16=name.endswith("bf16"))
        else:
            made = name == "headrace"
            step = headrace_step(decoder, size) if made else plain_step(Path(folder), compiled="compiled" in name)
            timed = list(timed_steps(step, rows, size, peak))
    later = timed[size.steps // 4 :]
    seconds = statistics.median(each.seconds for each in later)
    cpu_seconds = statistics.median(each.cpu_seconds for each in later)
    return {
        "contender": name,
        "threads": threads,
        "tokens_per_second": BATCH_TOKENS / seconds,
        "cpu_seconds": cpu_seconds,
        "cpu_seconds_with_start": (time.process_time() - cpu) / size.steps,
        "peak_gflops": LARGE.operations / peak.seconds / 1e9,
        "share_of_peak": size.flops / seconds / (LARGE.operations / peak.seconds),
        "share_of_cpu_peak": size.flops / cpu_seconds / (LARGE.operations / peak.cpu_seconds),
        "first_loss": timed[0].loss,
        "last_loss": statistics.mean(each.loss for each in timed[-5:]),
    }


def in_turns(size: Size) -> dict[str, dict[str, float]]:
    """Medians over steps of each contender that can share a process: seconds, CPU seconds and headrace's speed-up."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    rows = make_rows(size, size.steps * size.batch_rows)
    decoder = build_decoder(size.model, size.vocabulary, seed=SEED)
    with TemporaryDirectory() as folder:
        save_decoder(decoder, Path(folder), max_positions=size.row_tokens + 1, end_token=0)
        steps = {
            "headrace": headrace_step(decoder, size),
            "plain-bf16": plain_step(Path(folder), compiled=False),
            "plain-bf16-compiled": plain_step(Path(folder), compiled=True),
        }
    peak, timed = Peak(), {name: [] for name in steps}
    for batch in rows.split(size.batch_rows):
        peak.measure()
        for name, step in steps.items():
            timed[name] += timed_steps(step, batch, size, peak)
    later = {name: found[size.steps // 4 :] for name, found in timed.items()}
    ratios = {
        name: [
            (each.seconds / ours.seconds, each.cpu_seconds / ours.cpu_seconds)
            for each, ours in zip(found, later["headrace"], strict=True)
        ]
        for name, found in later.items()
    }
    return {
        name: {
            "tokens_per_second": BATCH_TOKENS / statistics.median(each.seconds for each in found),
            "cpu_seconds": statistics.median(each.cpu_seconds for each in found),
            "faster": statistics.median(ratio for ratio, _ in ratios[name]),
            "less_cpu": statistics.median(ratio for _, ratio in ratios[name]),
            "last_loss": statistics.mean(each.loss for each in found[-5:]),
            "peak_gflops": LARGE.operations / peak.seconds / 1e9,
        }
        for name, found in later.items()
    }


def print_turns(size: str, found: dict[str, dict[str, float]]) -> None:
    """Markdown."""
    model = SIZES[size]
    peak = found["headrace"]["peak_gflops"]
    print(
        f"\n{size}, T = {model.row_tokens}, {BATCH_TOKENS:,} tokens a step, products in bf16 at {peak:,.0f} GFLOP/s\n"
    )
    print("| contender | tokens/s | CPU s a step | headrace is faster by | and by CPU time | last loss |")
    print("|---|---|---|---|---|---|")
    for name, figures in found.items():
        print(
            f"| {name} | {figures['tokens_per_second']:,.0f} | {figures['cpu_seconds']:.2f} | {figures['faster']:.2f} "
            f"| {figures['less_cpu']:.2f} | {figures['last_loss']:.3f} |",
            flush=True,
        )


def where(size: Size, num_steps: int = 3) -> dict[str, float]:
    """Milliseconds of a step of headrace by kind of work, summed over threads that work for it."""
    from torch.profiler import ProfilerActivity, profile

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    step = headrace_step(build_decoder(size.model, size.vocabulary, seed=SEED), size)
    batches = make_rows(size, (2 + num_steps) * size.batch_rows).split(size.batch_rows)
    for batch in batches[:2]:
        step(batch)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for batch in batches[2:]:
            step(batch)
    found = dict.fromkeys([*KINDS, "other"], 0.0)
    for event in profiled.key_averages():
        kind = next((kind for kind, names in KINDS.items() if event.key.startswith(names)), "other")
        found[kind] += event.self_cpu_time_total / 1e3 / num_steps
    return found


def contenders_of(name: str, wanted: str) -> list[str]:
    """Those that run at a size: float32 takes too long for the larger ones."""
    return [each for each in wanted.split(",") if not each.endswith("fp32") or name == "9M"]


def run_apart(contender: str, size: str) -> dict[str, Any] | None:
    """A contender's figures out of a process of its own; None if it could not run."""
    command = [sys.executable, __file__, "--one", contender, "--sizes", size]
    # As `headrace run` sets it; the others wait as torch has it, which is faster while nobody else is busy.
    waiting = {"OMP_WAIT_POLICY": "PASSIVE"} if contender == "headrace" else {}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **waiting})
    if done.returncode:
        print(f"{contender}: could not run: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Runs the rounds and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write every figure as JSON")
    parser.add_argument("--where", choices=SIZES, help="print where a step of headrace goes, and nothing else")
    parser.add_argument("--in-turns", action="store_true", help="one process, one step of each after the other")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_turns:
        for size in arguments.sizes.split(","):
            print_turns(size, in_turns(SIZES[size]))
        return
    if arguments.one:
        print(json.dumps(contend(arguments.one, SIZES[arguments.sizes])))
        return
    if arguments.where:
        for kind, milliseconds in where(SIZES[arguments.where]).items():
            print(f"{milliseconds:8.1f} ms  {kind}")
        return
    everything: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for size in arguments.sizes.split(","):
        results = everything[size] = {name: [] for name in contenders_of(size, arguments.contenders)}
        for _ in range(arguments.rounds):
            for name, found in results.items():
                found += [figures] if (figures := run_apart(name, size)) else []
        print_table(size, results)
        if arguments.out:
            arguments.out.write_text(json.dumps(everything, indent=1))


def print_table(size: str, results: dict[str, list[dict[str, Any]]]) -> None:
    """Markdown, medians over the rounds."""
    model = SIZES[size]
    print(f"\n{size}, {model.vocabulary:,} tokens, T = {model.row_tokens}, {BATCH_TOKENS:,} tokens a step\n")
    print("| contender | tokens/s | times headrace | share of peak | CPU s a step | share of CPU peak | last loss |")
    print("|---|---|---|---|---|---|---|")
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "contender"}
        for name, runs in results.items()
        if runs
    }
    for name, figures in medians.items():
        ratio = figures["tokens_per_second"] / medians.get("headrace", figures)["tokens_per_second"]
        print(
            f"| {name} | {figures['tokens_per_second']:,.0f} | {ratio:.2f} | {figures['share_of_peak']:.0%} "
            f"| {figures['cpu_seconds']:.2f} | {figures['share_of_cpu_peak']:.0%} | {figures['last_loss']:.3f} |"
        )


if __name__ == "__main__":
    main()
