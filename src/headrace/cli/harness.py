"""`headrace harness`."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.arguments import JsonOption, print_json


def register(app: typer.Typer) -> None:
    """Adds `harness`."""
    app.command(epilog="Example: headrace harness runs/quickstart --tasks my_tasks/ --fewshot 5")(harness)


def harness(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A run, a folder of transformers or headrace, or a GGUF file.")
    ],
    tasks: Annotated[
        list[str], typer.Option("--tasks", help="Names, YAML files or folders of tasks; repeatable, or with commas.")
    ],
    fewshot: Annotated[
        int | None, typer.Option(min=0, help="Examples before each question. Left out: as the task says.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many examples of each task.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Same seed, same examples and answers.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure a model with tasks of lm-evaluation-harness."""
    from headrace.cli.terminal_text import safe_text
    from headrace.errors import UserError
    from headrace.models.opened import open_model
    from headrace.pipeline import model_path

    try:
        from headrace.evaluate.harness import run_harness
    except ImportError as error:
        raise UserError(f"the harness needs the package {error.name}: pip install 'headrace[harness]'.") from error
    names = [name for entry in tasks for name in entry.split(",") if name]
    found = run_harness(open_model(model_path(model)), names, num_fewshot=fewshot, limit=limit, seed=seed)
    if as_json:
        print_json(found)
        return
    for task, figures in found.items():
        for name, value in figures.items():
            metric, _, kind = name.partition(",")
            if isinstance(value, float) and not metric.endswith("_stderr"):
                deviation = figures.get(f"{metric}_stderr,{kind}")
                spread = f" ± {deviation:.4f}" if isinstance(deviation, float) else ""
                typer.echo(safe_text(f"{task}  {metric}  {value:.4f}{spread}"))
