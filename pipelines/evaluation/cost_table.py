"""The table of what methods cost."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.evaluation.cost import Cost
from pipelines.evaluation.table import Column, Row, Table


def cost_table(costs: Sequence[Cost]) -> Table:
    """Parameters, multiply-accumulates, size of weights, time and memory of each method."""
    columns = (
        Column("parameters", 0),
        Column("multiply-accumulates ×1e-9", 2),
        Column("weights, MB", 1),
        Column("ms a lesion, median", 0),
        Column("of the CPU, ms", 0),
        Column("peak memory, MB", 0),
    )
    rows = []
    for cost in costs:
        operations = cost.multiply_accumulates
        cells = (
            cost.parameters,
            None if operations is None else operations / 1e9,
            cost.weights_mb,
            cost.milliseconds,
            cost.cpu_milliseconds,
            cost.peak_mb,
        )
        rows.append(Row(cost.method, cost.problem or "", None, None, cells))
    return Table("cost", "What a mask costs", "", "state", columns, tuple(rows))
