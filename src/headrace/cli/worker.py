"""What torchrun starts: one process of a training job. `python -m headrace.cli.worker JOB.json`."""

import os
import sys
from pathlib import Path

import orjson

from headrace.cli.main import leave
from headrace.cli.progress import show
from headrace.errors import HeadraceError
from headrace.parallel.parent import end_with_parent
from headrace.pipeline.training import TrainingJob, record_training, take_part
from headrace.store import write_file


def main() -> None:
    """Carries out this process's part; the leader writes the summary where the launcher looks for it."""
    parent_is_gone = end_with_parent()
    try:
        work()
    except Exception:
        if parent_is_gone():  # the others are gone as well: what failed here is talking to them
            os._exit(1)
        raise
    # Everything is written. Threads that torch leaves behind were seen to abort a process that ends in the usual way.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def work() -> None:
    """The process's part of the job named on the command line."""
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


if __name__ == "__main__":
    main()
