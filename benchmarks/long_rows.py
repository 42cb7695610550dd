"""Steps over one long row: tokens a second and peak memory of a 9 M model, for several lengths and windows.

    python benchmarks/long_rows.py                          # about 20 minutes on 2 cores
    python benchmarks/long_rows.py --tokens 16384 --window 0 1024 --steps 2 --limit 8
    python benchmarks/long_rows.py --tokens 65536 --window 0 --segment 8192

Each case runs in a process of its own, whose address space is limited to `--limit` GB beyond what torch takes when it
is loaded. Blocks are compiled, unless rows are read in segments. A row is one document; a window or
segment of 0 is none.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headrace.models.config import ModelConfig
from headrace.models.decoder import build_decoder
from headrace.models.machine import use_machine_well
from headrace.objectives.objective import Objective
from headrace.objectives.rows import RowObjective
from headrace.objectives.segments import SegmentObjective
from headrace.tokens import Batch
from headrace.train.compiled import OTHER_TARGET
from headrace.train.gradient import finish_gradient
from headrace.train.numerics import Numerics
from headrace.train.optimizer import build_optimizer
from headrace.train.optimizer_config import AdamWConfig

VOCABULARY = 8192


def run(tokens: int, window: int, segment: int, *, num_steps: int, limit_gigabytes: float) -> dict[str, Any]:
    """The figures of a case, in this process; the first step, which compiles, is not counted."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    use_machine_well()
    torch._inductor.config.cpp.march = OTHER_TARGET if torch.cpu._is_amx_tile_supported() else None
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + int(limit_gigabytes * 1e9),) * 2)
    config = ModelConfig(preset="tiny", sliding_window=window or None)
    model = build_decoder(config, VOCABULARY, seed=1)
    model.compute_dtype = torch.bfloat16
    model.train()
    for block in model.all_blocks if not segment else ():
        block.compile(dynamic=False)
    optimizer = build_optimizer(AdamWConfig(), model)
    optimizer.set_rate(1e-3)
    numerics = Numerics(precision="bf16", compiled=not segment, num_threads=torch.get_num_threads(), peak_gflops=1.0)
    ids = np.random.default_rng(1).integers(0, VOCABULARY, (1, tokens + 1)).astype(np.int32)
    ids = np.minimum(ids, ids[:, :1] % 64 + ids // 64)  # something to learn
    place = np.arange(tokens, dtype=np.int32)[None]
    batch = Batch(np.ascontiguousarray(ids[:, :-1]), np.ascontiguousarray(ids[:, 1:]), place, np.zeros_like(place))
    objective: Objective = SegmentObjective(RowObjective(), segment) if segment else RowObjective()
    times: list[tuple[float, float]] = []
    losses: list[float] = []
    for _ in range(1 + num_steps):
        start, cpu_start = time.perf_counter(), time.process_time()
        losses.append(0.0)
        for part in objective.parts(batch, 1):
            loss = objective.loss(model, part, numerics)
            loss.backward()  # type: ignore[no-untyped-call]
            losses[-1] += float(loss.detach()) / tokens
        finish_gradient(model.parameters(), num_targets=tokens, loss=losses[-1], largest_norm=1.0, step=0)
        optimizer.step()
        optimizer.zero_grad()
        times.append((time.perf_counter() - start, time.process_time() - cpu_start))
    seconds, cpu_seconds = min(times[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "tokens_per_second": tokens / seconds,
        "tokens_per_cpu_second": tokens / cpu_seconds,
        "peak_gigabytes": peak / 1e9,
        "losses": losses,
    }


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[4096, 16384, 65536])
    parser.add_argument("--window", type=int, nargs="+", default=[0, 1024])
    parser.add_argument("--segment", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--limit", type=float, default=8.0)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        case = (arguments.tokens[0], arguments.window[0], arguments.segment[0])
        found = run(*case, num_steps=arguments.steps, limit_gigabytes=arguments.limit)
        print(json.dumps(found))
        return
    print("| T | window | segment | tokens/s | tokens per CPU second | peak memory | loss |")
    print("|---|---|---|---|---|---|---|")
    for case in product(arguments.tokens, arguments.window, arguments.segment):
        command = [sys.executable, __file__, "--one", "--steps", str(arguments.steps), "--limit", str(arguments.limit)]
        for name, value in zip(("--tokens", "--window", "--segment"), case, strict=True):
            command += [name, str(value)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        told = f"| {case[0]:,} | {case[1] or 'none'} | {case[2] or 'none'}"
        if done.returncode:
            print(f"{told} | {(done.stderr.strip().splitlines() or ['?'])[-1][:80]} |")
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{told} | {found['tokens_per_second']:,.0f} | {found['tokens_per_cpu_second']:,.0f} "
            f"| {found['peak_gigabytes']:.1f} GB | {found['losses'][0]:.3f} to {found['losses'][-1]:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
