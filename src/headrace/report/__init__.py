"""What a user looks at: one self-contained HTML page per run, and TensorBoard curves while it trains.

In: a run folder (its record, the manifests and small files of its artefacts) and, for the curves, trace records.
Out: `report.html`, which needs no network and opens anywhere; event files below `tensorboard/`.
Promises: a page for every run, however far it has come; text from data sets is only ever shown, never executed; the
page is replaced in one step. Reads what other floors recorded and never reaches into them. Not promised: that
browsers from before 2023 draw the charts (tables and texts they show).
"""

from headrace.report.html import build_report
from headrace.report.tensorboard import TensorBoardWriter

__all__ = ["TensorBoardWriter", "build_report"]
