"""A process that does not outlive the one that started it, however that ended."""

import os
import signal
import threading
import time
from collections.abc import Callable

CHECK_SECONDS = 0.5


def end_with_parent() -> Callable[[], bool]:
    """Kills this process soon after its parent is gone, so that a run killed with -9 leaves nobody behind.

    Returns what tells whether the parent is gone: then an error here is a consequence, and nobody's concern.
    """
    parent = os.getppid()

    def is_gone() -> bool:
        return os.getppid() != parent

    def watch() -> None:
        while not is_gone():
            time.sleep(CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
    return is_gone
