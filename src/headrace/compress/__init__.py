"""Smaller models from larger ones: distilling, pruning, quantising, exporting. A room that stands ready; nothing yet.

In: a model folder. Out: a smaller model folder, and what it cost in quality, measured.
"""
