"""Memory that nobody uses any more, given back before a process holds more than it should."""

from headrace.models.machine import give_back
from headrace.train.memory.room import resident_bytes

ROOM = 1.5
"""What may be held before anything is given back again, in parts of what was left the last time."""


class Ceiling:
    """Watches what a process holds from step to step.

    Batches of ever other shapes leave gaps between tensors that the next ones do not fit into. Giving all of them back
    costs page faults in the steps behind it, so it is done where much is held, and not again before that is so anew.
    """

    def __init__(self, forecast_bytes: int) -> None:
        """forecast_bytes: what the process should hold at most."""
        self.most_bytes = forecast_bytes

    def keep(self) -> None:
        """Gives back what nobody uses, if more is held than should be."""
        if resident_bytes() > self.most_bytes:
            give_back()
            self.most_bytes = max(self.most_bytes, int(ROOM * resident_bytes()))
