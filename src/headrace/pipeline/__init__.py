"""The road: a recipe's steps in order, each found in the store or built and published there.

In: a recipe. Out: a run folder with a record of its steps, a model, a report.
Promises: a step whose config and inputs are unchanged is not done again; a killed run continues; the record of a run
is never ahead of its artefacts.

    run.py           the steps in order
    steps.py         one function per step: what determines it, and what builds it
    training.py      a training stage as a job that one process or several carry out
    threads.py       how threads wait for each other
    result.py        a run as Python sees it
"""

from headrace.pipeline.options import RunOptions
from headrace.pipeline.result import Run, model_path, open_generator, open_run
from headrace.pipeline.run import run_recipe

__all__ = ["Run", "RunOptions", "model_path", "open_generator", "open_run", "run_recipe"]
