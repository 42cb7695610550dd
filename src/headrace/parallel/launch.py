"""Starts a module in several processes of this machine, through torchrun's own agent."""

import signal
import subprocess
import sys
from collections.abc import Sequence

from headrace.errors import RunError


def launch(module: str, arguments: Sequence[str], *, num_processes: int) -> None:
    """Runs `python -m module arguments` as one group of processes and waits for it.

    Raises RunError if the group ends with an error; its own output has said which and why. If this process ends, so
    does the group: the agent is told to stop on Ctrl-C, and each worker watches its parent.
    """
    command = [sys.executable, "-m", "headrace.parallel.agent", f"--nproc-per-node={num_processes}", "--nnodes=1"]
    command += [
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=127.0.0.1:0",
        "--local-addr=127.0.0.1",
        "-m",
        module,
        *arguments,
    ]
    # A session of its own: Ctrl-C reaches this process alone, which then stops the agent in order.
    with subprocess.Popen(command, start_new_session=True) as agent:
        try:
            code = agent.wait()
        except BaseException:
            agent.send_signal(signal.SIGTERM)
            agent.wait()
            raise
    if code:
        raise RunError(
            f"training with {num_processes} processes ended with exit code {code}; its own message stands above."
        )
