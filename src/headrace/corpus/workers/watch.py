"""A look at a worker from outside, which needs no word from it: how much memory, and does it still do anything?"""

import psutil

from headrace.corpus.workers.limits import Limits


class Watch:
    """Follows a process through one unit."""

    def __init__(self, pid: int, limits: Limits) -> None:
        self.memory_bytes = 0
        """Its own memory at the last look; pages that it shares with files or others do not count."""
        self._limits = limits
        self._cpu_seconds = -1.0
        self._idle_seconds = self._busy_seconds = 0.0
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None

    def look(self, seconds: float) -> str | None:
        """What is wrong with the process, if anything.

        seconds: time since the last look. Time is counted in looks and not by a clock, so that a caller that was
        stopped itself (Ctrl-Z, a debugger) does not find everybody late.
        """
        if self._process is None or not self._measure():
            return None  # it is gone: the end of its pipe says so
        self._busy_seconds += seconds
        self._idle_seconds = self._idle_seconds + seconds if self._did_nothing else 0.0
        if self._idle_seconds >= self._limits.idle_seconds:
            return f"stopped or hanging: no CPU time in {self._limits.idle_seconds:.0f} s"
        if self._busy_seconds >= self._limits.unit_seconds:
            return f"not done after {self._limits.unit_seconds:.0f} s"
        return None

    def _measure(self) -> bool:
        assert self._process is not None, "looked at only while there is one"
        try:
            memory, times = self._process.memory_info(), self._process.cpu_times()
        except psutil.Error:
            return False
        self.memory_bytes = memory.rss - getattr(memory, "shared", 0)
        cpu_seconds = times.user + times.system
        self._did_nothing = cpu_seconds == self._cpu_seconds
        self._cpu_seconds = cpu_seconds
        return True
