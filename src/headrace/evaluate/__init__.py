"""What a model is worth, on documents it has not seen.

In: a model folder and the held-out split of a token store; or what a model made of the test split of a task. Out: bits
per byte and perplexity overall, per source and per language, a loss for every document, and samples; or `task.json`,
the report of the task.
Promises: every held-out byte counts once; bits per byte compare across vocabularies; figures of a task have bootstrap
intervals and stand beside a baseline. Not promised: that a low number reads well.

    config.py           what is measured (needs no torch)
    evaluation.py       all of it, for one model
    bits_per_byte.py    losses of documents and their sums
    tasks.py            a model that learnt from examples, measured on those kept apart
    prompting.py        a model that learnt nothing of the task, asked through a template; harness.py: lm_eval's tasks
    task_report.py      reports of tasks as records and as a file; the rest makes them, without torch
    classification.py   classes: from probabilities (counts.py, calibration.py)
    tagging.py          entities and words: from tags (entities.py, spans.py)
    translation.py      BLEU, chrF, and translations looked up (retrieval.py)
    answers.py          answers to prompts, and preferred answers
    learning_curves.py  how figures went while a stage learnt
    bootstrap.py        intervals of all of them
"""

from headrace.evaluate.config import EvaluateConfig

__all__ = ["EvaluateConfig"]
