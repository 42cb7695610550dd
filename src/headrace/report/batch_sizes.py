"""How many tokens the steps of a stage took, and what decided that; nothing where the batch was fixed."""

from headrace.report.blocks import Block, Cell, Column, Table
from headrace.report.charts import Axis, Curve, curve_chart
from headrace.report.colours import PALETTE
from headrace.report.material import MetricRecord, Stage
from headrace.report.wording import count, short_count

MOST_POINTS, MOST_ROWS = 600, 60
SIZE = {"mode": "lines", "line": {"width": 2, "color": PALETTE[0], "shape": "hv"}}
NOISE = {"mode": "lines", "line": {"width": 1, "color": PALETTE[1]}}


def batch_blocks(stage: Stage) -> list[Block]:
    """A curve of the batch, with the noise scale where it was measured, and a table of the decisions."""
    size = f"step_{stage.unit}"
    records = [record for record in stage.train if size in record]
    if not records:
        return []
    shown = records[:: -(-len(records) // MOST_POINTS)]
    curves = [Curve("batch", [each[stage.unit] for each in shown], [each[size] for each in shown], SIZE)]
    if noisy := [each for each in shown if each.get("noise_scale")]:
        places, scales = [each[stage.unit] for each in noisy], [each["noise_scale"] for each in noisy]
        curves.append(Curve("noise scale", places, scales, NOISE))
    chart = curve_chart(
        f"Batch, in {stage.unit} of a step",
        curves,
        x=Axis(stage.unit, {"tickformat": "~s"}),
        y=Axis("", {"type": "log", "tickformat": "~s"}),
    )
    return [chart, *([_table(stage)] if stage.batches else [])]


def _table(stage: Stage) -> Table:
    is_measured = any("noise_scale" in each for each in stage.batches)
    more = [Column("Noise", hint="tr(S) over a base batch"), Column("Gradient", hint="|G|², without noise")]
    columns = [Column(f"{stage.unit.capitalize()} before"), Column("Batch"), Column("Became"), *more * is_measured]
    rows = [_row(each, stage, is_measured=is_measured) for each in stage.batches[:MOST_ROWS]]
    left = len(stage.batches) - len(rows)
    note = f"{count(left)} more are in metrics.jsonl." if left else ""
    return Table((*columns, Column("Because", "text")), tuple(rows), title="Changes of the batch", note=note)


def _row(record: MetricRecord, stage: Stage, *, is_measured: bool) -> tuple[Cell, ...]:
    now = record[f"step_{stage.unit}"]
    base = now // record["factor"]
    before = (record["step"] - 1) * base
    evidence = [f"{record[key]:.3g}" if key in record else "–" for key in ("noise", "signal")]
    sizes = (short_count(before), count(record["factor_before"] * base), count(now))
    return (*sizes, *(evidence if is_measured else ()), record["reason"])
