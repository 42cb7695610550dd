"""Where units are carried out, as the command line names it."""

import os
from typing import Literal

from headrace.corpus.workers.limits import Limits
from headrace.corpus.workers.processes import ProcessCrew
from headrace.corpus.workers.workers import Workers

EngineKind = Literal["local", "ray"]


def open_engine(
    kind: EngineKind,
    num_processes: int | None = None,
    *,
    address: str | None = None,
    limits: Limits | None = None,
) -> Workers:
    """Workers in processes of their own: on this machine, or as tasks of a Ray cluster. The same bytes come out.

    num_processes: how many work at once; by default one per core of the machine or the cluster. Unlike `Workers(1)`,
    one process is a process, which may die.
    address: of a Ray cluster, "host:6379" or "auto"; by default Ray is started on this machine and ended with us.
    Inputs and the folder of runs must lie on a file system that all nodes see under the same path.
    Raises RecipeError if Ray is not installed or the cluster is not reached.
    """
    limits = limits or Limits()
    if kind == "local":
        num_processes = num_processes or len(os.sched_getaffinity(0))
        return Workers(num_processes, limits=limits, crew=ProcessCrew(num_processes, limits))
    from headrace.corpus.workers.ray_cluster import RayCrew  # a second of imports, and an extra of the installation

    crew = RayCrew(num_processes, limits, address=address)
    return Workers(crew.num_processes, limits=limits, crew=crew)
