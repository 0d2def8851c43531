"""Decisions of books as a table: why each name has its weight, and why it was traded or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from pairity.books.explanation import TOO_FEW, explain_weight
from pairity.books.rebalance import Cause, Change
from pairity.durable import replace_file_with
from pairity.layout import Layout
from training.books.engine import BookRun
from training.books.panel import BookPanel
from training.books.plan import PlannedDecision

SCHEMA: dict[str, pl.DataType] = {
    "family": pl.String(),
    "time": pl.Datetime("us", "UTC"),
    "name": pl.String(),
    "score": pl.Float64(),
    "volatility": pl.Float64(),
    "wanted": pl.Float64(),
    "target": pl.Float64(),
    "held": pl.Float64(),
    "traded": pl.Boolean(),
    "cause": pl.String(),
    "why": pl.String(),
}
"""One row per decision and name that is held or wanted. Weights are signed fractions of equity: `wanted` by the family,
`target` within the limits, `held` what prices have drifted to. `score` and hourly `volatility` are null where the
family has none."""


def tabulate_decisions(family: str, run: BookRun, panel: BookPanel) -> pl.DataFrame:
    """Return the decisions of a run, in their order, names in theirs."""
    return pl.DataFrame(list(_list_rows(family, run, panel)), schema=SCHEMA, orient="row")


def write_decisions(layout: Layout, runs: Sequence[tuple[str, BookRun]], panel: BookPanel) -> Path:
    """Write the decisions of all families as one Parquet file beside their equity curves, and return its path."""
    table = pl.concat([tabulate_decisions(family, run, panel) for family, run in runs])
    times = runs[0][1].result.equity["time"]
    first, last = times[0], times[-1]
    path = layout.reports / "books" / f"{first:%Y-%m-%d}-{last:%Y-%m-%d}-decisions.parquet"
    replace_file_with(path, table.write_parquet)
    return path


def _explain(change: Change, plan: PlannedDecision, volatility: float | None) -> str:
    if change.cause is not Cause.NOT_KNOWN:
        return explain_weight(change.name, plan.target, plan.steps, volatility)
    return TOO_FEW if change.name in plan.features else "no features of this close"


def _list_rows(family: str, run: BookRun, panel: BookPanel) -> Iterator[tuple[str, datetime, str, object]]:
    for decision in run.decisions:
        plan, target = decision.plan, decision.target
        for change in decision.changes:
            known = plan.features.get(change.name)
            score, volatility = target.scores.get(change.name), None if known is None else known.volatility
            wanted = target.weights.get(change.name, 0.0)
            yield (  # type: ignore[misc]
                family,
                panel.close_of(plan.hour),
                change.name,
                score,
                volatility,
                wanted,
                change.target,
                change.held,
                change.is_traded,
                change.cause.value,
                _explain(change, plan, volatility),
            )
