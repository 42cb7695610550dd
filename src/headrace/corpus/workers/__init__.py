"""Units of work done by many processes, of which any may die at any moment without work being lost.

In: a function and items, which may come from a lazy iterator. Out: one result an item, in order or as they come.
Promises: a death is noticed at once and only its own unit is tried again; a record that kills its workers is found
and left out (`Attempt`); nobody outlives the caller. `Workers` decides what is tried when, a `Crew` carries it out:
processes of this machine, or tasks of a Ray cluster.
Not promised: that a function runs once per item. Functions must leave the same behind however often they are begun.
"""

from headrace.corpus.workers.attempt import Attempt, Place
from headrace.corpus.workers.engine import EngineKind, open_engine
from headrace.corpus.workers.limits import Limits
from headrace.corpus.workers.workers import Workers

__all__ = ["Attempt", "EngineKind", "Limits", "Place", "Workers", "open_engine"]
