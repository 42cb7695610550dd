"""Processes that work on one step together.

In: what torchrun puts into the environment. Out: sums over all processes, and a launcher that starts them on this
machine.
Promises: one process is the same code with sums that return at once; a process that dies ends the job with an error
within minutes, never a silent hang. Listens on the loopback address only.
"""

from headrace.parallel.group import Group, join_group
from headrace.parallel.launch import launch

__all__ = ["Group", "join_group", "launch"]
