"""torchrun's agent, made to end with the process that started it. `python -m headrace.parallel.agent ARGUMENTS`.

It ends with the exit code of the process that failed first, which has told why; torch's own account of it is left out.
"""

import logging
import sys

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

from headrace.parallel.parent import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        main()
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        sys.exit(failure.exitcode if failure.exitcode > 0 else 1)
