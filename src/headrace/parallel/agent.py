"""torchrun's agent, made to end with the process that started it. `python -m headrace.parallel.agent ARGUMENTS`."""

import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.run import main

from headrace.parallel.parent import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    try:
        main()
    except SignalException as stopped:  # it was told to stop, and has stopped its processes
        sys.exit(128 + stopped.sigval)
