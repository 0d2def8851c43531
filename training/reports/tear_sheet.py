"""The tear sheet of one line of a run: statistics in groups, figures and tables, each with what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from pairity.annualising import LEAST_TO_ANNUALISE
from pairity.measures import MEASURES, format_measure
from pairity.number_formats import NOTHING, format_count, format_fixed, format_money, format_percent
from training.backtest.trade_log import group_by_position
from training.evaluation import breakdown
from training.evaluation.cost_shares import PARTS, share_costs
from training.evaluation.costs import stress_costs
from training.evaluation.line_statistics import measure_line
from training.evaluation.tear_sheet import Floats, Statistic
from training.reports import figures as pictures
from training.reports import line_figures
from training.reports.contents import ContenderLine
from training.reports.verdict_box import clean_metrics, format_interval, measure_span

MOST_PAIRS = 20
"""Most pairs of a table: of more, as many of the best as of the worst."""
MOST_DRAWDOWNS = 5
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Return": ("net_return", "gross_return", "arithmetic_return", "best_day", "worst_day"),
    "Return for its risk": (
        *("sharpe", "sharpe_interval", "sharpe_long_run", "sharpe_geometric"),
        *("deflated_sharpe", "sortino", "calmar"),
    ),
    "Risk": (
        *("volatility", "max_drawdown", "value_at_risk", "expected_shortfall"),
        *("skew", "kurtosis", "beta", "beta_lowest", "beta_highest"),
    ),
    "Trading": ("trades", "win_rate", "profit_factor", "average_holding_h", "exposure", "turnover"),
}
_COST_NAMES = {
    "gross_pnl": "gross profit",
    "slippage": "slippage",
    "fees": "fees",
    "funding": "funding paid",
    "net_pnl": "net profit",
}
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text; `lacks` says why it has no rows, `note` what is not in it."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lacks: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class MonthCell:
    """Return of a month or year: text, and how strong its colour is (per cent, negative for a loss)."""

    text: str
    tint: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that the page shows of one line."""

    name: str
    facts: Mapping[str, tuple[tuple[str, str, str], ...]]
    """Group → name, value, what is lacking for one."""
    months: tuple[tuple[str, tuple[MonthCell, ...]], ...]
    figures: tuple[pictures.Figure, ...]
    drawdowns: Table
    costs: Table
    exits: Table
    legs: Table
    pairs: Table


def make_sheet(line: ContenderLine, holding: Floats | None, points: int) -> Sheet:
    """Return the tear sheet of a line. `holding`: hourly returns of holding the coin; `points`: most of a curve."""
    statistics = measure_line(line.equity, line.initial_equity, holding)
    positions = group_by_position(line.trades)
    stress = None
    if "costs" in line.equity.columns and line.trades.height:
        stress = stress_costs(line.trades, line.equity, line.initial_equity)
    drawn = (
        *line_figures.draw_rolling(line, holding, points),
        line_figures.draw_distribution(line, statistics),
        line_figures.draw_exposure(line, points),
        line_figures.draw_turnover(line),
        line_figures.draw_positions(line, positions),
        line_figures.draw_cost_stress(stress)
        if line.trades.height
        else pictures.lack("Net return at other costs", "nothing was traded"),
    )
    return Sheet(
        name=line.label,
        facts=_list_facts(line, statistics),
        months=tabulate_months(line.equity, line.initial_equity),
        figures=drawn,
        drawdowns=_tabulate_drawdowns(line),
        costs=_tabulate_costs(line.trades),
        exits=_summarise(positions, "exit_reason", "How positions ended"),
        legs=_summarise(line.trades, "side", "Long and short legs"),
        pairs=_summarise(positions, "pair_id", "Pairs", MOST_PAIRS),
    )


def tabulate_months(equity: pl.DataFrame, initial_equity: float) -> tuple[tuple[str, tuple[MonthCell, ...]], ...]:
    """Return per year the returns of its twelve months and its own, compounded; a month without hours is empty."""
    if equity.is_empty():
        return ()
    table = breakdown.compute_monthly_returns(equity, initial_equity)
    known = {(year, month): value for year, month, value in table.iter_rows()}
    strongest = max((abs(value) for value in known.values()), default=0.0) or 1.0
    rows = []
    for year in sorted(set(table["year"])):
        whole = 1.0
        cells = []
        for month in range(1, 13):
            value = known.get((year, month))
            whole *= 1.0 + (value or 0.0)
            tint = 0 if value is None else round(30 * value / strongest)
            cells.append(MonthCell("" if value is None else format_percent(value, signed=True), tint))
        rows.append((str(year), (*cells, MonthCell(format_percent(whole - 1.0, signed=True), 0))))
    return tuple(rows)


def write_title(key: str) -> str:
    """Return the title of a measure where it stands alone: in tables some are written below the ratio they are of."""
    title = MEASURES[key].title
    about = "beta" if key.startswith("beta") else "Sharpe"
    return f"{about} {title.strip()}" if title.startswith(" ") else title


def _list_facts(
    line: ContenderLine, statistics: Mapping[str, Statistic]
) -> dict[str, tuple[tuple[str, str, str], ...]]:
    metrics = clean_metrics(line.metrics) | {name: found.value for name, found in statistics.items()}
    span = measure_span(line)
    lacking = {name: found.lacks for name, found in statistics.items() if found.lacks}
    groups = {}
    for group, keys in _GROUPS.items():
        items = []
        for key in keys:
            if key == "sharpe_interval":
                text = format_interval(metrics, span)
                items.append(("Sharpe, 95% interval", text, _explain(key, text, metrics, span)))
                continue
            if key not in metrics and key != "deflated_sharpe":
                continue
            text = str(format_measure(key, metrics, span))
            items.append((write_title(key), text, lacking.get(key) or _explain(key, text, metrics, span)))
        groups[group] = tuple(items)
    return groups


def _explain(key: str, text: str, metrics: Mapping[str, float | None], span: timedelta) -> str:
    """Return why a measure of the run has no value; "" where it has one."""
    if text != NOTHING:
        return ""
    if key == "sharpe_interval" or MEASURES[key].is_annualised:
        if span < LEAST_TO_ANNUALISE:
            return f"{LEAST_TO_ANNUALISE.days} days are needed, {format_count(span.days, 'is there', 'are there')}"
        return "hourly returns do not vary"
    if key == "deflated_sharpe":
        return "not stored with this line"
    if not metrics.get("trades"):
        return "no trade was closed"
    return "no trade lost" if key == "profit_factor" else "not defined for this run"


def _tabulate_drawdowns(line: ContenderLine) -> Table:
    table = breakdown.list_worst_drawdowns(line.equity, line.initial_equity, MOST_DRAWDOWNS)
    rows = tuple(
        (
            _format_day(start),
            _format_day(trough),
            "not yet" if end is None else _format_day(end),
            str(format_percent(depth)),
            f"{hours / 24:.1f}",
        )
        for start, trough, end, depth, hours in table.iter_rows()
    )
    columns = ("from", "lowest", "recovered", "depth", "length, days")
    return Table(f"Deepest drawdowns, at most {MOST_DRAWDOWNS}", columns, rows, "" if rows else "equity never fell")


def _tabulate_costs(trades: pl.DataFrame) -> Table:
    found = share_costs(trades)
    rows = tuple(
        (
            _COST_NAMES[name],
            str(format_money(found.usdt[name])),
            str(format_percent(found.shares.get(name))),
        )
        for name in PARTS
    )
    note = f"Shares of the gross profit are not shown: {found.lacks}." if found.lacks and trades.height else ""
    lacks = found.lacks if trades.is_empty() else ""
    return Table("Costs", ("of closed trades", "USDT", "share of gross profit"), rows if not lacks else (), lacks, note)


def _summarise(trades: pl.DataFrame, column: str, caption: str, most: int = 0) -> Table:
    columns = (
        column.removesuffix("_id").replace("_", " "),
        *(MEASURES[key].title for key in ("trades", "win_rate")),
        *("gross profit, USDT", "fees, USDT", "funding paid, USDT", "net profit, USDT"),
        MEASURES["average_holding_h"].title,
    )
    if trades.is_empty():
        return Table(caption, columns, (), "no trade was closed")
    table = breakdown.summarise_by(trades, column)
    note = ""
    if most and table.height > most:
        note = f"The best and the worst {most // 2} of {table.height}; backtest_per_pair.csv has all."
        table = pl.concat([table.head(most // 2), table.tail(most // 2)])
    rows = tuple(
        (
            _write_name(str(name)),
            f"{count:,}",
            str(format_percent(won)),
            *(str(format_money(value)) for value in money),
            str(format_fixed(held)),
        )
        for name, count, won, *money, held in table.iter_rows()
    )
    return Table(caption, columns, rows, note)


def _write_name(name: str) -> str:
    return {"buy": "long", "sell": "short"}.get(name, name.replace("__", "/").replace("_", " "))


def _format_day(instant: date | datetime | None) -> str:
    return "the start" if instant is None else f"{instant:%Y-%m-%d}"
