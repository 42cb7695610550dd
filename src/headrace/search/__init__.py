"""Better values for some keys of a recipe: many recipes tried, each a run like any other.

In: a recipe as it is written, and the values that some of its keys may take. Out: a study that Optuna reads, a page,
and the best recipe as a file that `headrace run` takes.
Promises: a search that was killed goes on with the trial it was at, and tries what it would have tried; no trial is
carried out twice; trials share what they have in common; a trial that fails is noted and the next one begun. Which
values are tried next follows from the seed, the number of the trial, and what the earlier ones were worth.
Not promised: that two machines find the same values (losses differ in their last digits).

    tuning.py        the trials one after the other, and what is written after each
    request.py       what is searched, and what cannot be
    study.py         the study: what is tried next, what came of it
    trial.py         one trial: its recipe, its run, what it is worth
    watch.py         whoever watches a trial's stage and gives it up
    written.py       recipes as text
"""
