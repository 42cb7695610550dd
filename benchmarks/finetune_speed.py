"""Fine-tuning speed: a recipe that fine-tunes a given model, against transformers' Trainer on the same splits.

    python benchmarks/finetune_speed.py examples/tasks/entities.yaml --rounds 3

Both get the same examples, model, epochs, batch, rate and longest input; Trainer uses its default collator for the task
and its defaults for all else, once in float32 and once in bf16. Samples per second are those of the training steps,
medians over the rounds, which take turns; the figure of the task shows that both learn the same.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from headrace.evaluate.task_report import TASK_FILE, read_task_report
from headrace.pipeline import RunOptions, run_recipe
from headrace.recipe.load import load_recipe

SCRIPTS = {"tag": "ner_trainer.py", "classify": "classify_trainer.py"}


def run_headrace(recipe_path: Path, runs: Path, *, epochs: float) -> tuple[dict[str, Any], Path]:
    """Costs and figure of one run from nothing, and its examples."""
    recipe = load_recipe(recipe_path, {"train.epochs": epochs})
    run = run_recipe(recipe, RunOptions(runs=runs, recipe_folder=recipe_path.parent))
    summary = run.folder.artefact("train").summary
    report = read_task_report(run.folder.artefact("evaluate").path / TASK_FILE)
    figure = report.f1 if report.task == "tag" else report.macro_f1  # type: ignore[union-attr]  # of these two tasks
    return {
        "samples_per_second": summary["examples"] / summary["step_seconds"],
        "cpu_seconds": summary["step_cpu_seconds"],
        "padded_share": summary["padded_share"],
        "figure": figure.value,
    }, run.folder.artefact("examples").path


def run_trainer(recipe_path: Path, examples: Path, *, epochs: float, bf16: bool) -> dict[str, Any]:
    """The same of Trainer, in a process of its own."""
    given = yaml.safe_load(recipe_path.read_text(encoding="utf-8"))
    stage = given["train"]
    objective = stage["objective"] if isinstance(stage["objective"], dict) else {"name": stage["objective"]}
    command = [
        *(sys.executable, str(Path(__file__).parent / SCRIPTS[objective["name"]])),
        *(str(recipe_path.parent / given["model"]["hf"]), str(examples)),
        *("--epochs", str(epochs), "--batch", str(stage.get("global_batch_examples", 32))),
        *("--rate", str(stage["learning_rate"]), "--warmup", str(stage.get("warm_up", 0.05))),
        *("--max-tokens", str(objective.get("max_tokens", 256))),
        *(["--bf16"] if bf16 else []),
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(printed.strip().splitlines()[-1])
    figure = found["entity_f1"] if objective["name"] == "tag" else found["macro_f1"]
    return {**found, "cpu_seconds": found["train_cpu_seconds"], "figure": figure["value"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=float, help="in place of the recipe's")
    given = parser.parse_args()
    epochs = given.epochs or yaml.safe_load(given.recipe.read_text(encoding="utf-8"))["train"].get("epochs", 1)
    rows: dict[str, list[dict[str, Any]]] = {"headrace": [], "Trainer, float32": [], "Trainer, bf16": []}
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as runs:
            ours, examples = run_headrace(given.recipe, Path(runs), epochs=epochs)
            rows["headrace"].append(ours)
            rows["Trainer, float32"].append(run_trainer(given.recipe, examples, epochs=epochs, bf16=False))
            rows["Trainer, bf16"].append(run_trainer(given.recipe, examples, epochs=epochs, bf16=True))
    base = statistics.median(each["samples_per_second"] for each in rows["headrace"])
    print("| | samples/s | headrace is faster by | CPU s | padding | F1 |\n|---|---|---|---|---|---|")
    for name, runs_of in rows.items():
        speed, cpu, padded, figure = (
            statistics.median(each[key] for each in runs_of)
            for key in ("samples_per_second", "cpu_seconds", "padded_share", "figure")
        )
        print(f"| {name} | {speed:.1f} | {base / speed:.2f} x | {cpu:.0f} | {padded:.1%} | {figure:.4f} |")


if __name__ == "__main__":
    main()
