"""What torchrun starts: one process of a training job. `python -m headrace.cli.worker JOB.json`."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import orjson

from headrace.cli.main import leave
from headrace.cli.progress import show
from headrace.errors import HeadraceError
from headrace.pipeline.training import TrainingJob, record_training, take_part
from headrace.store import write_file

PARENT_CHECK_SECONDS = 0.5


def main() -> None:
    """Carries out this process's part; the leader writes the summary where the launcher looks for it."""
    end_with_parent()
    job = TrainingJob.model_validate_json(Path(sys.argv[1]).read_bytes())
    try:
        if os.environ.get("RANK", "0") != "0":
            take_part(job)
            return
        with show() as listener:
            summary = record_training(job, (listener,))
        write_file(job.summary_path, orjson.dumps(summary))
    except HeadraceError as error:
        if os.environ.get("RANK", "0") == "0":
            leave(str(error), error.exit_code)
        sys.exit(error.exit_code)


def end_with_parent() -> None:
    """Kills this process when the one that started it is gone, so a killed run leaves nobody behind."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


if __name__ == "__main__":
    main()
