"""Starts a module in several processes of this machine, through torchrun's own agent."""

import subprocess
import sys
import time
from collections.abc import Sequence

from headrace.errors import RunError, UserError

POLL_SECONDS = 0.1


def launch(module: str, arguments: Sequence[str], *, num_processes: int) -> None:
    """Runs `python -m module arguments` as one group of processes and waits for it.

    Raises RunError or UserError, as the group has ended with; its own output has said which and why. If this process
    ends, so does the group: Ctrl-C ends the agent, and agent and workers each watch their parent.
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
    # A session of its own: Ctrl-C reaches this process alone, which ends the agent.
    with subprocess.Popen(command, start_new_session=True) as agent:
        try:
            # In short waits: a signal that another thread receives does not wake this one from a long one.
            while (code := agent.poll()) is None:
                time.sleep(POLL_SECONDS)
        except BaseException:
            agent.kill()  # its workers follow within a second; asked politely, it takes up to half a minute
            agent.wait()
            raise
    if code:
        error = UserError if code == UserError.exit_code else RunError
        raise error(
            f"training with {num_processes} processes ended with exit code {code}; its own message stands above."
        )
