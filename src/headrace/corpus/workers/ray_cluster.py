"""The same jobs as tasks of a Ray cluster: one task a try, no retries of Ray's own.

Only small things travel: what to do, and counts. Texts are read from and written to files, which every node must see
under the same path; a node that does not is found out before it does anything.
"""

import importlib
import logging
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.corpus.workers.crew import Job, Outcome
from headrace.corpus.workers.limits import Limits
from headrace.errors import HeadraceError, RecipeError, WorkerError
from headrace.version import VERSION

ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # one FutureWarning less
}
"""Variables that Ray reads while it is imported; what the user has set stays."""
ON_THIS_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""The same for a cluster of our own: it listens on the loopback device only, as is the default there."""
OBJECT_STORE_BYTES = 80_000_000
"""Close to the least that Ray takes; nothing large goes through it."""
WAIT_SECONDS = 1.0


class RayCrew:
    """Tasks of a Ray cluster. Without an address, of one on this machine that lives as long as the crew does."""

    def __init__(self, num_processes: int | None, limits: Limits, *, address: str | None = None) -> None:
        self._ray = _import_ray(ALWAYS if address else {**ALWAYS, **ON_THIS_MACHINE})
        self._limits = limits
        self._running: dict[Any, tuple[int, float]] = {}
        self._folder = None if address else Path(tempfile.mkdtemp(prefix="headrace-ray-"))
        self._connect(address, num_processes)
        self.num_processes = num_processes or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._task = self._ray.remote(max_retries=0, num_cpus=1)(_run)

    def start(self, index: int, job: Job) -> None:
        """Begins a job on some node."""
        reference = self._task.remote(index, job, folder=str(Path.cwd()), version=VERSION)
        self._running[reference] = (index, time.monotonic())

    def wait(self) -> list[Outcome]:
        """Jobs that have ended, at least one. Ray notices the death of a task at once, of a node in seconds."""
        done: list[Any] = []
        while not done:
            done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=WAIT_SECONDS)
            late = time.monotonic() - self._limits.unit_seconds
            for reference, (_, begun) in self._running.items():
                if begun < late:
                    self._ray.cancel(reference, force=True)
        return [self._finish(reference) for reference in done]

    def stop(self) -> None:
        """Ends what runs."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()

    def close(self) -> None:
        """Ends what runs and lets go of the cluster; one that we started ends."""
        if self._folder:
            self._ray.shutdown()
            shutil.rmtree(self._folder, ignore_errors=True)
        elif self._ray.is_initialized():
            self.stop()
            self._ray.shutdown()

    def _connect(self, address: str | None, num_processes: int | None) -> None:
        quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
        logging.getLogger("ray").setLevel(logging.ERROR)
        # Each death would be a yellow paragraph on the terminal; Ray's debugger turns them off in the same way.
        self._ray._private.worker._worker_logs_enabled = False
        try:
            if address:
                self._ray.init(address, **quiet)
            else:
                num_cpus = num_processes or len(os.sched_getaffinity(0))
                self._ray.init(
                    "local",
                    num_cpus=num_cpus,
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    _temp_dir=str(self._folder),
                    **quiet,
                )
        except (ConnectionError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
            self.close()
            where = f"at {address}" if address else "on this machine"
            raise RecipeError(f"--engine ray: no cluster {where} ({error}). Start it, or give its address.") from error

    def _finish(self, reference: Any) -> Outcome:
        index, _ = self._running.pop(reference)
        try:
            outcome: Outcome = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # what is sent could not be read there: not the unit's fault
            raise WorkerError(f"--engine ray: a node cannot run our tasks: {error.cause!r}") from error
        except self._ray.exceptions.RayError as error:  # its process, its node, or what held its result is gone
            out_of_memory = isinstance(error, self._ray.exceptions.OutOfMemoryError)
            return Outcome(index, death=type(error).__name__, out_of_memory=out_of_memory)
        return outcome


def _import_ray(settings: Mapping[str, str]) -> Any:
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise RecipeError("--engine ray: Ray is not installed. Run: pip install 'headrace[ray]'.") from error


def _run(index: int, job: Job, *, folder: str, version: str) -> Outcome:
    """Runs a job on a node, in the folder that the caller's relative paths start from."""
    try:
        if version != VERSION:
            raise WorkerError(f"--engine ray: a node has headrace {VERSION}, you have {version}. Install the same.")
        _change_folder(folder)
        return Outcome(index, result=job.run())
    except HeadraceError as error:
        return Outcome(index, error=error)
    except MemoryError:
        return Outcome(index, death="memory ran out", out_of_memory=True)


def _change_folder(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise WorkerError(
            f"--engine ray: node {platform.node()} has no folder {folder}. Run from a folder on a file system that all "
            "nodes see under the same path, with inputs and --runs below it."
        ) from error
