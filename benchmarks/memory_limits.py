"""The largest model that trains within a limit of memory, beside transformers' Trainer: same shapes, rows and steps.

    python benchmarks/memory_limits.py --limit 4GB --out memory_4gb.json    # hours on 2 cores: each trial takes steps
    python benchmarks/memory_limits.py --limit 4GB --contenders headrace --widths 1024,1536

Trainer runs at batch 1 with accumulation, gradient checkpointing and Adafactor, once with weights in bf16 and once in
float32 under bf16 autocast; headrace with `memory: LIMIT`, `updates: by_block` and AdamW's state in 8 bits, weights in
float32. The model grows along one line of shapes (depth = width / 64, feed-forward 8/3 of the width, 8,192 tokens)
until one does not fit. A limit is kept by looking, ten times a second, at the most that a process has ever held (VmHWM,
which the kernel keeps, mapped files included) and ending it above the limit. RLIMIT_AS would count what torch only
reserves, RLIMIT_DATA would not count mapped files. Pages that a process has put back may stay in the system's cache;
the shelf asks for its own to be dropped as soon as they are written, and they are not counted.
Printed: parameters, tokens/s of the median step after the first, by the clock and by processor time, peak.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.models.config import ModelConfig
from headrace.train.memory.config import parse_size
from headrace.train.metrics import read_metrics

VOCABULARY, ROW_TOKENS, STEP_TOKENS, STEPS = 8192, 512, 2048, 4
WIDTHS = tuple(range(512, 4097, 128))
CONTENDERS = ("headrace", "trainer-bf16", "trainer-fp32")
LOOK_SECONDS = 0.1
HERE = Path(__file__).parent


def shape_of(width: int) -> dict[str, int]:
    """Depth, heads and feed-forward width of a model of a width."""
    return {"width": width, "depth": width // 64, "feed_forward": width * 8 // 3 // 64 * 64}


def model_of(width: int) -> ModelConfig:
    """Our model of that shape."""
    return ModelConfig(**shape_of(width), heads=width // 64, kv_heads=width // 64)


def peak_of(process: subprocess.Popen[str]) -> int:
    """Most bytes that a process has held, 0 once it is gone."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def run_within(command: Sequence[str], limit_bytes: int) -> tuple[str | None, int]:
    """What a command prints, None if it was ended or failed; and the most memory that it held."""
    peak = 0
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        while process.poll() is None:
            peak = max(peak, peak_of(process))
            if peak > limit_bytes:
                process.kill()
            time.sleep(LOOK_SECONDS)
        output, _ = process.communicate()
        if process.returncode and peak <= limit_bytes:
            said.seek(0)
            print((said.read().strip().splitlines() or ["failed"])[-1], file=sys.stderr)
    return (output if process.returncode == 0 and peak <= limit_bytes else None), peak


def trainer(width: int, limit_bytes: int, *, weights: str) -> dict[str, Any] | None:
    """Trainer's figures, None where the model does not fit."""
    sizes = shape_of(width)
    command = [sys.executable, str(HERE / "memory_trainer.py"), "--weights", weights, "--steps", str(STEPS)]
    for name, value in {
        **sizes, "vocabulary": VOCABULARY, "row_tokens": ROW_TOKENS, "step_tokens": STEP_TOKENS,
    }.items():  # fmt: skip
        command += [f"--{name.replace('_', '-')}", str(value)]
    output, peak = run_within(command, limit_bytes)
    return None if output is None else {**json.loads(output.splitlines()[-1]), "peak_bytes": peak}


def write_recipe(folder: Path, width: int, limit_bytes: int, *, trains: bool) -> Path:
    """A recipe over a text of chance words; without training, it makes what all trials begin with."""
    text = folder / "text.jsonl"
    if not text.exists():
        draw = random.Random(1)
        words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(20_000)]
        lines = (" ".join(draw.choices(words, k=300)) for _ in range(600))
        text.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    stage = {
        "tokens": STEPS * STEP_TOKENS,
        "global_batch_tokens": STEP_TOKENS,
        "learning_rate": 1e-4,
        "optimizer": {"name": "adamw", "state_precision": "int8"},
        "updates": "by_block",
        "memory": limit_bytes,
        "publish": "last",
        "precision": "bf16",
        "validation": {"per_epoch": 1, "tokens": ROW_TOKENS},
        "checkpoint": {"every_seconds": 1e6},
    }
    recipe: dict[str, Any] = {
        "name": f"memory-{width}",
        "seed": 1,
        "corpus": {"sources": [{"name": "text", "path": str(text)}]},
        "tokens": {"vocabulary": {"train": VOCABULARY}, "row_tokens": ROW_TOKENS},
    }
    if trains:
        recipe |= {"model": model_of(width).as_json(), "train": [stage]}
    path = folder / f"recipe-{width}-{trains}.yaml"
    path.write_text(json.dumps(recipe))
    return path


def headrace(width: int, limit_bytes: int, *, folder: Path) -> dict[str, Any] | None:
    """Our figures, None where the model does not fit."""
    command = [sys.executable, "-m", "headrace", "run", "--runs", str(folder / "runs"), "--json"]
    subprocess.run(
        [*command, str(write_recipe(folder, width, limit_bytes, trains=False))], check=True, stdout=subprocess.DEVNULL
    )
    output, peak = run_within([*command, str(write_recipe(folder, width, limit_bytes, trains=True))], limit_bytes)
    if output is None:
        return None
    published = max((folder / "runs" / "store").glob("train-*"), key=os.path.getmtime)
    steps = [record for record in read_metrics(published / "metrics.jsonl") if record["kind"] == "train"][1:]
    return {
        "parameters": model_of(width).num_parameters(VOCABULARY),
        "tokens_per_second": STEP_TOKENS / statistics.median(record["seconds"] for record in steps),
        "tokens_per_cpu_second": STEP_TOKENS / statistics.median(record["cpu_seconds"] for record in steps),
        "peak_bytes": peak,
    }


def largest(contender: str, limit_bytes: int, widths: Sequence[int], folder: Path) -> list[dict[str, Any]]:
    """Figures of every model that was tried, from the smallest to the first that does not fit."""
    found: list[dict[str, Any]] = []
    for width in widths:
        if contender == "headrace":
            figures = headrace(width, limit_bytes, folder=folder)
        else:
            figures = trainer(width, limit_bytes, weights=contender.removeprefix("trainer-"))
        print(f"{contender}, width {width}: {figures or 'does not fit'}", file=sys.stderr)
        if figures is None:
            break
        found.append({"contender": contender, "width": width, **figures})
    return found


def main() -> None:
    """Runs the trials and prints the largest model of each contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", required=True, help="such as 4GB")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)), help="multiples of 64, from small to large")
    parser.add_argument("--out", type=Path, help="write every figure as JSON")
    given = parser.parse_args()
    limit_bytes, widths = parse_size(given.limit), [int(width) for width in given.widths.split(",")]
    results: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for contender in given.contenders.split(","):
            results[contender] = largest(contender, limit_bytes, widths, Path(folder))
    if given.out:
        given.out.write_text(json.dumps(results, indent=1))
    print(f"| within {given.limit} | parameters | tokens/s | tokens per CPU second | peak |\n|---|---|---|---|---|")
    for name, tried in results.items():
        if tried:
            best = tried[-1]
            print(
                f"| {name} | {best['parameters'] / 1e6:,.0f} M | {best['tokens_per_second']:,.1f} | "
                f"{best['tokens_per_cpu_second']:,.1f} | {best['peak_bytes'] / 1e9:.2f} GB |"
            )


if __name__ == "__main__":
    main()
