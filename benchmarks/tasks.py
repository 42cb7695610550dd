"""The tables of tasks: what finished runs of the recipes in examples/tasks reached, beside their baselines.

    make task-spam ...                          # or: headrace run examples/tasks/spam.yaml
    python benchmarks/tasks.py runs/spam runs/reviews runs/entities ...

Each run is a row, with the figure of its task and its 95 % interval on the test split, the baselines that its report
holds, how much was trained in what time and memory. With `--before`, bits per byte before and after, by source. With
`--on runs/domain`, those of the runs' models on the held-out texts of a run that began with the same model: what they
have kept of what it could do.
"""

import argparse
from pathlib import Path
from typing import Any

from headrace.evaluate.bits_per_byte import measure_losses, summarise
from headrace.evaluate.task_report import TASK_FILE, Figure, main_figures, read_task_report
from headrace.report.material import read_json
from headrace.store import RunFolder
from headrace.tokens import TokenStore


def shown(figure: Figure) -> str:
    """A figure with its interval."""
    interval = f" ({figure.low:.3f} to {figure.high:.3f})" if figure.low is not None else ""
    return f"{figure.value:.3f}{interval}"


def cost_of(summary: dict[str, Any]) -> str:
    """What training took."""
    trained, all_of_them = summary["trained_parameters"], summary["parameters"]
    return (
        f"{trained / 1e6:.2f} of {all_of_them / 1e6:.1f} M | {summary['step_seconds']:,.0f} s | "
        f"{summary['step_cpu_seconds']:,.0f} s | {summary['peak_memory_bytes'] / 1e9:.1f} GB"
    )


def print_tasks(runs: list[RunFolder]) -> None:
    """A row for each run that learnt from examples."""
    print("| run | test examples | figures | baselines | trained | time | CPU time | memory |")
    print("|---|---|---|---|---|---|---|---|")
    for run in runs:
        report = read_task_report(run.artefact("evaluate").path / TASK_FILE)
        figures = ", ".join(f"{name} {shown(figure)}" for name, figure in main_figures(report).items())
        baselines = "; ".join(
            f"{each.name}: {', '.join(f'{name} {value:.3f}' for name, value in each.figures.items())}"
            for each in report.baselines
        )
        cost = cost_of(run.artefact("train").summary)
        print(f"| {run.path.name} | {report.examples:,} | {figures} | {baselines} | {cost} |")


def print_before(runs: list[RunFolder]) -> None:
    """Bits per byte by source, before and after, a row for each run."""
    for run in runs:
        found = read_json(run.artefact("evaluate"), "evaluation.json")
        for name, each in found["source"].items():
            print_row(run, name, each["bits_per_byte_before"], each["bits_per_byte"])


def print_kept(runs: list[RunFolder], corpus: RunFolder) -> None:
    """Bits per byte of each run's model on the held-out texts of another run, and of the model both began with."""
    store = TokenStore(corpus.artefact("tokens"), "validation")
    before = read_json(corpus.artefact("evaluate"), "evaluation.json")["source"]
    for run in runs:
        found = summarise(measure_losses(run.artefact("train").path, store), store.lineage)["source"]
        for name, each in found.items():
            print_row(run, name, before[name]["bits_per_byte_before"], each["bits_per_byte"])


def print_row(run: RunFolder, source: str, before: float, after: float) -> None:
    print(f"| {run.path.name} | {source} | {before:.3f} | {after:.3f} | {after / before - 1:+.1%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--before", action="store_true", help="bits per byte before and after, of runs on a corpus")
    parser.add_argument("--on", type=Path, help="a run on a corpus, whose held-out texts the models read")
    given = parser.parse_args()
    runs = [RunFolder(path) for path in given.runs]
    if given.before or given.on:
        print("| run | source | bits per byte before | after | change |\n|---|---|---|---|---|")
        print_kept(runs, RunFolder(given.on)) if given.on else print_before(runs)
    else:
        print_tasks(runs)


if __name__ == "__main__":
    main()
