"""What a run that stopped for too much damage leaves to look at: its damaged records, in its own folder."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from headrace.corpus.columns import QUARANTINE
from headrace.corpus.tables import open_writer, read_table
from headrace.errors import DamageError
from headrace.store import RunFolder


def keep_quarantine(run: RunFolder, error: DamageError) -> DamageError:
    """Writes all damaged records of the source that stopped the run; returns the error with how to look at them."""
    places = _gather(error.quarantines, run.quarantine_path)
    example = shlex.join(["headrace", "why", str(run.path), places])
    return DamageError(
        f"{error} All of them, with what their bytes are like: `{example}` (or another FILE, or FILE:OFFSET), and the "
        f"table {run.quarantine_path}.",
        error.quarantines,
    )


def _gather(quarantines: Sequence[Path], path: Path) -> str:
    """Joins tables into one, put in place by a rename; returns the file that the first record lies in."""
    unfinished, first = path.with_suffix(".tmp"), ""
    with open_writer(unfinished, QUARANTINE) as writer:
        for table in map(read_table, quarantines):
            if table.num_rows:
                first = first or table["file"][0].as_py()
                writer.write_table(table)
    unfinished.replace(path)
    return first
