"""A process that does not outlive the one that started it, however that ended."""

import os
import signal
import threading
import time

CHECK_SECONDS = 0.5


def end_with_parent() -> None:
    """Kills this process soon after its parent is gone, so that a run killed with -9 leaves nobody behind."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
