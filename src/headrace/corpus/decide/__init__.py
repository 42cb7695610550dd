"""Scores in, verdicts out: which documents stay, how often, in which split and without which parts; and why not.

In: the measured shards of all sources and what was derived of them. Out: both splits, the ledger, examples.
Promises: works on scores and a few numbers a document (about 70 bytes), on texts only where a step must see them, a
shard at a time; the same verdicts for any number of workers, any memory limit and any number of kills.

    shards.py, verdicts.py, context.py   what is decided about, and what is known of it
    rules.py, judge.py                   conditions over scores
    best.py, contamination.py, alike.py, meaning.py, parts.py, proportions.py   one step each, called by `curate.py`
    copy.py, ledger.py, summary.py, examples.py   what is written
    what_if.py, trial.py                 other rules tried on the same scores
"""
