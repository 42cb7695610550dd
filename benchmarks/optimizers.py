"""Optimisers at equal tokens: the quickstart's text, the `tiny` model, the same rows in the same order.

    python benchmarks/optimizers.py --out optimizers.json      # about an hour of one core
    python benchmarks/optimizers.py --contenders "adamw;muon" --steps 600

Each optimiser trains at three learning rates (`--rates`), a factor of three apart, around what suits it; its best
held-out loss counts. Printed beside it: the loss at each rate, CPU time of an optimiser step alone (one thread,
medians), and the bytes of state per parameter. The schedule is the default one.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from headrace.models.config import ModelConfig
from headrace.models.decoder import build_decoder
from headrace.pipeline import RunOptions, run_recipe
from headrace.recipe import load_recipe
from headrace.train.config import StageConfig
from headrace.train.optimizer import build_optimizer

RECIPE = Path(__file__).parents[1] / "examples" / "quickstart.yaml"
TIMED_STEPS, RATE_FACTOR = 7, 3.0
CONTENDERS: dict[str, tuple[float, dict[str, Any]]] = {
    "adamw": (1e-3, {"name": "adamw"}),
    "adamw, bf16 state": (1e-3, {"name": "adamw", "state_precision": "bf16"}),
    "muon": (1e-3, {"name": "muon"}),
    "muon per head": (1e-3, {"name": "muon", "per_head": True}),
    "adafactor": (1e-2, {"name": "adafactor"}),
    "lion": (1e-4, {"name": "lion", "weight_decay": 1.0}),
    "sgd": (0.3, {"name": "sgd", "weight_decay": 0.0}),
}
"""Middle learning rate and settings."""


def train(name: str, rate: float, *, steps: int, step_tokens: int, runs: Path) -> float:
    """The lowest held-out loss of a run."""
    changes = {
        "name": f"{name.replace(' ', '-').replace(',', '')}-{rate:.0e}",
        "evaluate": None,
        "train": {
            "tokens": steps * step_tokens,
            "global_batch_tokens": step_tokens,
            "validation": {"tokens": 32_768},
            "learning_rate": rate,
            "optimizer": CONTENDERS[name][1],
            "precision": "bf16",  # so that a busy machine changes nothing
            "compile": "off",
        },
    }
    run = run_recipe(load_recipe(RECIPE, changes), RunOptions(runs=runs, recipe_folder=RECIPE.parent))
    return float(run.folder.artefacts("train")[-1].summary["best_validation_loss"])


def cost_of(name: str) -> dict[str, float]:
    """CPU milliseconds of a step of the optimiser alone on the tiny model, and bytes of its state per parameter."""
    torch.set_num_threads(1)
    model = build_decoder(ModelConfig(preset="tiny"), 8192, seed=1)
    config = StageConfig.model_validate({"optimizer": CONTENDERS[name][1]}).optimizer
    optimizer, seconds = build_optimizer(config, model), []
    for _ in range(TIMED_STEPS):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.set_rate(1e-3)
        start = time.process_time()
        optimizer.step()
        seconds.append(time.process_time() - start)
    state_bytes = sum(moment.nbytes for moment in optimizer.state().values())
    count = sum(parameter.numel() for parameter in model.parameters())
    return {"step_ms": 1e3 * statistics.median(seconds[1:]), "state_bytes": state_bytes / count}


def contend(name: str, *, num_rates: int, steps: int, step_tokens: int, runs: Path) -> dict[str, Any]:
    """Everything about one contender."""
    middle = CONTENDERS[name][0]
    losses = {}
    for number in range(num_rates):
        rate = middle * RATE_FACTOR ** (number - num_rates // 2)
        losses[rate] = train(name, rate, steps=steps, step_tokens=step_tokens, runs=runs)
        print(f"{name} {rate:.1e}: {losses[rate]:.4f}", flush=True)
    best = min(losses, key=losses.__getitem__)
    return {"contender": name, "rate": best, "loss": losses[best], "losses": losses, **cost_of(name)}


def print_table(results: list[dict[str, Any]], num_tokens: int) -> None:
    """Markdown."""
    print(f"| optimiser | best rate | held-out loss after {num_tokens:,} tokens | at each rate ", end="")
    print("| CPU ms per optimiser step | state bytes per parameter |")
    print("|---|---|---|---|---|---|")
    for found in results:
        each = ", ".join(f"{loss:.3f}" for loss in found["losses"].values())
        print(
            f"| {found['contender']} | {found['rate']:.1e} | {found['loss']:.3f} | {each} "
            f"| {found['step_ms']:.0f} | {found['state_bytes']:.2f} |"
        )


def main() -> None:
    """Runs the contenders one after the other and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", default=";".join(CONTENDERS), help="names, separated by semicolons")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--step-tokens", type=int, default=2048)
    parser.add_argument("--rates", type=int, default=3, help="learning rates tried for each")
    parser.add_argument("--runs", type=Path, help="a folder of runs that stays; by default a temporary one")
    parser.add_argument("--out", type=Path, help="write every figure as JSON")
    arguments = parser.parse_args()
    with TemporaryDirectory() as temporary:
        runs = arguments.runs or Path(temporary)
        settings = {"num_rates": arguments.rates, "steps": arguments.steps, "step_tokens": arguments.step_tokens}
        results = [contend(name, runs=runs, **settings) for name in arguments.contenders.split(";")]
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1))
    print_table(results, arguments.steps * arguments.step_tokens)


if __name__ == "__main__":
    main()
