"""Training that keeps its examples to itself: private steps and their accounting, audits. Nothing here yet.

In: a stage's settings and a privacy budget. Out: steps that keep it, and the budget that was spent.
"""
