"""Batches that change within a stage against the best fixed one, at equal tokens: steps, time, held-out loss.

    python benchmarks/batch_sizes.py --out batch_sizes.json           # about four minutes of one core
    python benchmarks/batch_sizes.py --contenders "fixed 2048;adaptive 512" --tokens 1000000

The quickstart's text, a decoder of 0.4 M parameters, the same rows in the same order, a cosine schedule. The rate of a
batch of 512 tokens is given (`--rate`); fixed batches have it times the square root of their size over that, which
is the rule that batches which change follow. The target is the lowest last loss of all fixed batches plus 1 %; the
place where a run has come to it is read between two measurements, on a line. CPU seconds are those of steps alone.
Published: 43 % fewer steps for batch warm-up (arXiv 2505.23971, 1 B parameters), 36 % less serial time for Seesaw
(arXiv 2510.14717, 150 to 600 M parameters). Found here, and what to make of it: docs/batch.md.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headrace.pipeline import RunOptions, run_recipe
from headrace.recipe import load_recipe
from headrace.train.metrics import read_metrics

RECIPE = Path(__file__).parents[1] / "examples" / "quickstart.yaml"
BASE_TOKENS, ROW_TOKENS, MARGIN = 512, 128, 1.01
CONTENDERS: dict[str, tuple[int, Any]] = {
    "fixed 256": (256, "fixed"),
    "fixed 512": (512, "fixed"),
    "fixed 1024": (1024, "fixed"),
    "fixed 2048": (2048, "fixed"),
    "fixed 4096": (4096, "fixed"),
    "adaptive 512": (512, "adaptive"),
    "adaptive 512, target 1": (512, {"adaptive": {"target": 1.0, "half_life": 16, "wait": 32}}),
    "warm-up 512": (512, {"warm_up": {"double_at": [0.2, 0.5]}}),
    "seesaw 512": (512, "seesaw"),
    "seesaw 1024": (1024, "seesaw"),
}
"""Base batch and rule."""


def train(name: str, *, tokens: int, rate: float, runs: Path) -> dict[str, Any]:
    """What a contender's records tell."""
    base, rule = CONTENDERS[name]
    changes = {
        "name": name.replace(" ", "-").replace(",", ""),
        "evaluate": None,
        "tokens": {"vocabulary": {"train": 1024}, "row_tokens": ROW_TOKENS},
        "model": {"depth": 3, "width": 96, "heads": 4, "kv_heads": 2},
        "train": {
            "tokens": tokens,
            "global_batch_tokens": base,
            "micro_batch_tokens": BASE_TOKENS,  # the same for all, adaptive aside, so that they differ in updates
            "batch": rule,
            "learning_rate": rate * (base / BASE_TOKENS) ** 0.5,
            "schedule": {"shape": "cosine", "final": 0.05},
            "warm_up": 0.1,
            "publish": "last",
            "validation": {"tokens": 8_192, "per_epoch": 320},
            "precision": "bf16",
            "compile": "off",
        },
    }
    run = run_recipe(load_recipe(RECIPE, changes), RunOptions(runs=runs, recipe_folder=RECIPE.parent))
    records = list(read_metrics(run.folder.artefacts("train")[-1].path / "metrics.jsonl"))
    return {"contender": name, **curve(records), "changes": [each for each in records if each["kind"] == "batch"]}


def curve(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Losses over updates and CPU seconds at each measurement."""
    updates, seconds, points = 0, 0.0, []
    for record in records:
        if record["kind"] == "train":
            updates, seconds = updates + 1, seconds + record["cpu_seconds"]
        elif record["kind"] == "validation":
            points.append({"updates": updates, "cpu_seconds": seconds, "loss": record["loss"]})
    return {"updates": updates, "cpu_seconds": seconds, "loss": points[-1]["loss"], "points": points}


def reach(points: list[dict[str, float]], target: float) -> dict[str, float] | None:
    """Updates and CPU seconds at which a loss was come to, on a line between two measurements; None if never."""
    for before, after in pairwise(points):
        if after["loss"] <= target < before["loss"]:
            x = (before["loss"] - target) / (before["loss"] - after["loss"])
            return {key: before[key] + x * (after[key] - before[key]) for key in ("updates", "cpu_seconds")}
    return None


def print_table(results: list[dict[str, Any]]) -> None:
    """Markdown."""
    fixed = [found for found in results if found["contender"].startswith("fixed")]
    best = min(fixed or results, key=lambda found: found["loss"])
    target = MARGIN * best["loss"]
    print(f"target: {target:.4f}, 1 % above that of {best['contender']}\n")
    print("| batch | updates | CPU s | last held-out loss | updates to the target | CPU s to the target |")
    print("|---|---|---|---|---|---|")
    for found in results:
        there = reach(found["points"], target)
        reached = f"{there['updates']:.0f} | {there['cpu_seconds']:.0f}" if there else "– | –"
        print(
            f"| {found['contender']} | {found['updates']} | {found['cpu_seconds']:.0f} | {found['loss']:.4f} "
            f"| {reached} |"
        )


def main() -> None:
    """Runs the contenders one after the other and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", default=";".join(CONTENDERS), help="names, separated by semicolons")
    parser.add_argument("--tokens", type=int, default=131_072)
    parser.add_argument("--rate", type=float, default=1.5e-3, help="learning rate of a batch of 512 tokens")
    parser.add_argument("--runs", type=Path, help="a folder of runs that stays; by default a temporary one")
    parser.add_argument("--out", type=Path, help="write every figure as JSON")
    arguments = parser.parse_args()
    results = []
    with TemporaryDirectory() as temporary:
        for name in arguments.contenders.split(";"):
            runs = arguments.runs or Path(temporary)
            results.append(train(name, tokens=arguments.tokens, rate=arguments.rate, runs=runs))
            print(name, f"{results[-1]['updates']} updates, loss {results[-1]['loss']:.4f}", flush=True)
            if arguments.out:
                arguments.out.write_text(json.dumps(results, indent=1))
    print_table(results)


if __name__ == "__main__":
    main()
