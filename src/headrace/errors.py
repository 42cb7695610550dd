"""Every error headrace raises on purpose, as one tree.

    HeadraceError
    ├── UserError (also ValueError)   the input or the request is wrong; exit code 2
    │   ├── RecipeError               a recipe that cannot be run as written
    │   ├── InputError                raw text that is missing, damaged or unusable
    │   │   └── DamageError           more of it is damaged than the recipe allows
    │   └── CapacityError             this machine has too little memory or disk for the request
    └── RunError                      the request was sound and the run failed; exit code 1
        ├── StoreError                an artefact is missing or its bytes are not those that were published
        ├── BusyError                 somebody else works in this folder just now; exit code 2
        ├── WorkerError               a worker process died or raised
        ├── StoppedError              somebody pressed Ctrl-C; exit code 130
        ├── PrunedError               whoever watched a stage saw that it is not worth going on with
        └── DivergenceError           a loss or gradient is not finite

A message names the thing, what was given, what was wanted, and the remedy.
"""

from collections.abc import Sequence
from pathlib import Path


class HeadraceError(Exception):
    """Anything headrace reports in one sentence instead of a traceback."""

    exit_code = 1


class UserError(HeadraceError, ValueError):
    """What the user gave cannot be used."""

    exit_code = 2


class RecipeError(UserError):
    """A recipe with an unknown key, a wrong type or an impossible combination."""


class InputError(UserError):
    """Raw text that is missing, damaged, or leaves nothing to learn from."""


class DamageError(InputError):
    """More records of a source are damaged than the recipe allows."""

    def __init__(self, message: str, quarantines: Sequence[Path]) -> None:
        super().__init__(message)
        self.quarantines = quarantines
        """Tables of the damaged records, in input order."""


class CapacityError(UserError):
    """The request needs more memory or disk than this machine has."""


class RunError(HeadraceError):
    """The request was sound; carrying it out failed."""


class StoreError(RunError):
    """An artefact is missing, or its bytes are not the ones that were published."""


class BusyError(RunError):
    """Another process holds what this one needs."""

    exit_code = 2


class WorkerError(RunError):
    """A worker process died or raised; the message names its unit of work."""


class StoppedError(RunError):
    """The user stopped the run; what was finished is kept."""

    exit_code = 130


class PrunedError(RunError):
    """Whoever watches a stage has ended it, as a stop would; what was finished is kept."""


class ReplicaError(RunError):
    """Processes that should hold the same weights do not."""


class DivergenceError(RunError):
    """A loss or a gradient is not finite; nothing was updated with it."""
