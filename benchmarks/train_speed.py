"""Training speed against peers: the same model, initial weights, rows and steps, one after the other, several rounds.

    python benchmarks/train_speed.py --out docs/train_speed.json        # about 12 minutes on 2 cores
    python benchmarks/train_speed.py --contenders headrace,plain-bf16 --rounds 1

Contenders: headrace; transformers' Llama with its own Trainer in bf16 and fp32 (needs `pip install accelerate`); the
same Llama in a plain loop with bf16 autocast, eager and compiled. Each round runs each contender once in a process of
its own. Printed: median tokens/s over the rounds (each the median over its steps), the share of the bf16 product peak
measured in the same process, CPU seconds per step, and the loss over the last steps, which must agree.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from headrace.models.config import ModelConfig
from headrace.models.decoder import Decoder, build_decoder
from headrace.models.hugging_face import save_decoder
from headrace.models.machine import use_machine_well
from headrace.objectives.cross_entropy import summed_cross_entropy
from headrace.parallel import Group
from headrace.tokens import Batch
from headrace.train.compiled import compile_checked
from headrace.train.gradient import finish_gradient
from headrace.train.numerics import Numerics, matrix_gflops
from headrace.train.optimizer import build_optimizer
from headrace.train.optimizer_config import AdamWConfig

VOCABULARY, ROW_TOKENS, BATCH_ROWS = 8192, 256, 8
LEARNING_RATE, SEED = 1e-3, 1
CONTENDERS = ("headrace", "trainer-bf16", "trainer-fp32", "plain-bf16", "plain-bf16-compiled")

Step = Callable[[torch.Tensor], float]


def make_rows(num_rows: int) -> torch.Tensor:
    """(rows, ROW_TOKENS + 1) ids with something to learn: each token is followed by one of three others."""
    random = np.random.default_rng(SEED)
    follower = random.integers(0, VOCABULARY, (VOCABULARY, 3))
    rows = np.empty((num_rows, ROW_TOKENS + 1), np.int64)
    rows[:, 0] = random.zipf(1.3, num_rows) % VOCABULARY
    for place in range(1, ROW_TOKENS + 1):
        rows[:, place] = follower[rows[:, place - 1], random.integers(0, 3, num_rows)]
    return torch.from_numpy(rows)


def headrace_step(decoder: Decoder) -> Step:
    """A step of headrace's own parts, as the loop puts them together."""
    use_machine_well()
    decoder.compute_dtype = torch.bfloat16
    numerics = Numerics(precision="bf16", compiled=True, num_threads=torch.get_num_threads(), peak_gflops=0.0)
    ids = make_rows(BATCH_ROWS).numpy().astype(np.int32)
    place_BT = np.tile(np.arange(ROW_TOKENS, dtype=np.int16), (BATCH_ROWS, 1))
    row_BT = np.repeat(np.arange(BATCH_ROWS, dtype=np.int32), ROW_TOKENS).reshape(BATCH_ROWS, ROW_TOKENS)
    batch = Batch(np.ascontiguousarray(ids[:, :-1]), np.ascontiguousarray(ids[:, 1:]), place_BT, row_BT)
    numerics = compile_checked(decoder, batch, numerics=numerics, group=Group())
    optimizer = build_optimizer(AdamWConfig(beta2=0.999, weight_decay=0.0), decoder)
    optimizer.set_rate(LEARNING_RATE)
    position_BT = torch.arange(ROW_TOKENS).expand(BATCH_ROWS, -1).contiguous()
    document_BT = torch.arange(BATCH_ROWS)[:, None].expand(-1, ROW_TOKENS).contiguous()

    def step(rows: torch.Tensor) -> float:
        with torch.autocast("cpu", torch.bfloat16):
            hidden = decoder(rows[:, :-1].contiguous(), position_BT, document_BT)
        target = rows[:, 1:].flatten()
        loss = summed_cross_entropy(hidden.flatten(0, 1), decoder.head_weight, target, compiled=numerics.compiled)
        loss.backward()  # type: ignore[no-untyped-call]
        finish_gradient(decoder.parameters(), num_targets=target.numel(), loss=float(loss), largest_norm=1.0, step=0)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss) / target.numel()

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


def timed_steps(step: Step, rows: torch.Tensor) -> Iterator[tuple[float, float]]:
    """(seconds, loss) of each step."""
    for batch in rows.split(BATCH_ROWS):
        start = time.perf_counter()
        loss = step(batch)
        yield time.perf_counter() - start, loss


def trainer_steps(folder: Path, rows: torch.Tensor, *, bf16: bool) -> list[tuple[float, float]]:
    """The same steps by transformers' Trainer, timed by its own callbacks."""
    from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):  # type: ignore[misc]
        starts: list[float] = []
        ends: list[float] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.starts.append(time.perf_counter())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter())

    # The Trainer shifts labels itself, so a row of 257 ids gives 256 predictions, as everywhere else here.
    dataset = [{"input_ids": row, "labels": row} for row in rows]
    clock = Clock()
    with TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output, per_device_train_batch_size=BATCH_ROWS, num_train_epochs=1, learning_rate=LEARNING_RATE, bf16=bf16,
            lr_scheduler_type="constant", weight_decay=0.0, logging_steps=1, save_strategy="no", report_to=[],
            use_cpu=True, disable_tqdm=True, max_grad_norm=1.0, train_sampling_strategy="sequential",
        )  # fmt: skip
        trainer = Trainer(
            AutoModelForCausalLM.from_pretrained(folder), arguments, train_dataset=dataset, callbacks=[clock]
        )
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return [(end - start, loss) for start, end, loss in zip(clock.starts, clock.ends, losses, strict=True)]


def contend(name: str, num_steps: int) -> dict[str, Any]:
    """One contender's figures, in this process."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    config = ModelConfig(preset="tiny")
    rows = make_rows(num_steps * BATCH_ROWS)
    decoder = build_decoder(config, VOCABULARY, seed=SEED)
    peak = matrix_gflops(torch.bfloat16)
    with TemporaryDirectory() as folder:
        save_decoder(decoder, Path(folder), max_positions=ROW_TOKENS + 1, end_token=0)
        cpu = time.process_time()
        if name.startswith("trainer"):
            timed = trainer_steps(Path(folder), rows, bf16=name.endswith("bf16"))
        elif name == "headrace":
            timed = list(timed_steps(headrace_step(decoder), rows))
        else:
            timed = list(timed_steps(plain_step(Path(folder), compiled=name.endswith("compiled")), rows))
    seconds = statistics.median(duration for duration, _ in timed[num_steps // 4 :])
    speed = BATCH_ROWS * ROW_TOKENS / seconds
    flops = config.flops_per_token(VOCABULARY, ROW_TOKENS)
    return {
        "contender": name,
        "tokens_per_second": speed,
        "share_of_peak": speed * flops / peak / 1e9,
        "peak_gflops": peak,
        "cpu_seconds_per_step": (time.process_time() - cpu) / num_steps,
        "first_loss": timed[0][1],
        "last_loss": statistics.mean(loss for _, loss in timed[-5:]),
    }


def main() -> None:
    """Runs the rounds and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--out", type=Path, help="write every figure as JSON")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(contend(arguments.one, arguments.steps)))
        return
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.contenders.split(",")}
    for _ in range(arguments.rounds):
        for name, found in results.items():
            command = [sys.executable, __file__, "--one", name, "--steps", str(arguments.steps)]
            # As `headrace run` sets it; the others wait as torch has it, which is faster while nobody else is busy.
            waiting = {"OMP_WAIT_POLICY": "PASSIVE"} if name == "headrace" else {}
            environment = {**os.environ, **waiting}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if done.returncode:
                print(f"{name}: could not run: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                continue
            found.append(json.loads(done.stdout.splitlines()[-1]))
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1))
    print_table(results)


def print_table(results: dict[str, list[dict[str, Any]]]) -> None:
    """Markdown, medians over the rounds."""
    print("| contender | tokens/s | times headrace | share of peak | CPU s per step | last loss |")
    print("|---|---|---|---|---|---|")
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "contender"}
        for name, runs in results.items()
        if runs
    }
    for name, figures in medians.items():
        ratio = figures["tokens_per_second"] / medians.get("headrace", figures)["tokens_per_second"]
        print(
            f"| {name} | {figures['tokens_per_second']:,.0f} | {ratio:.2f} | {figures['share_of_peak']:.0%} "
            f"| {figures['cpu_seconds_per_step']:.2f} | {figures['last_loss']:.3f} |"
        )


if __name__ == "__main__":
    main()
