"""One self-contained HTML page about a run: readable at a glance, with interactive figures, printable."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import polars as pl

from pairity.errors import DataError
from training.backtest.trade_log import group_by_position
from training.evaluation import breakdown
from training.evaluation.costs import stress_costs
from training.reports import plotly_figures as plots
from training.reports.contents import ContenderLine, RunContents

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Cell = str | float | int | None

_MEASURES: tuple[tuple[str, str, str], ...] = (
    ("net_return", "net return", "%"),
    ("gross_return", "gross return", "%"),
    ("arithmetic_return", "sum of hourly returns", "%"),
    ("sharpe", "Sharpe, annualised", ""),
    ("sharpe_low", "95 % from", ""),
    ("sharpe_high", "to", ""),
    ("sharpe_long_run", "by the long-run variance", ""),
    ("sharpe_geometric", "of log returns", ""),
    ("deflated_sharpe", "deflated Sharpe", ""),
    ("max_drawdown", "max drawdown", "%"),
    ("trades", "trades", "n"),
    ("win_rate", "win rate", "%"),
    ("profit_factor", "profit factor", ""),
    ("exposure", "exposure", ""),
    ("turnover", "turnover", "×"),
    ("average_holding_h", "holding, h", ""),
    ("fees_usdt", "fees, USDT", "n"),
    ("funding_usdt", "funding, USDT", "n"),
    ("break_even_cost_bps", "break-even, bps", ""),
)
_ORIGIN = ("snapshot_id", "training_digest", "feature_service", "code_revision", "code_dirty", "train_end", "universe")
_SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)
_CAUTION = (
    "Backtests on instruments that are alive today flatter: those that were delisted are not among them. "
    "Costs are on: fees, slippage and funding."
)
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;max-width:1280px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .4rem;border-bottom:1px solid #ddd}
table{border-collapse:collapse;font-size:.78rem;margin:.5rem 0}th,td{padding:.2rem .45rem;text-align:right}
th:first-child,td:first-child{text-align:left;min-width:9rem}
details td{text-align:left}thead th{border-bottom:1px solid #999;vertical-align:bottom}
tbody tr:nth-child(even){background:#f6f6f4}.wide{overflow-x:auto}.note{color:#666;font-size:.85rem}
.bad{color:#a32}.good{color:#275}details{margin:1rem 0}code{font-size:.85em}
@media print{body{max-width:none;margin:0}h2,figure,.plot{break-inside:avoid}details:not([open]){display:none}}
"""


def render_page(run: RunContents) -> str:
    """Return the whole page as text; it loads nothing from anywhere. The same run gives the same text."""
    from plotly.offline import get_plotlyjs

    head = _choose_head(run.lines)
    parts = [
        f"<h1>{_escape(run.name)}</h1>",
        f"<p class=note>run <code>{_escape(run.run_id)}</code> · {_escape(run.started)} · {_escape(_CAUTION)}</p>",
        _render_section("Result", _render_comparison(run.lines)),
        _render_section("Equity and drawdown", _render_plot("equity", plots.draw_equity(run.lines))),
        _render_section(
            f"Exposure of {_escape(head.label)}, daily mean", _render_plot("exposure", plots.draw_exposure(head))
        ),
        _render_section(
            f"Months of {_escape(head.label)}", _render_plot("months", plots.draw_months(_compute_months(head)))
        ),
        _render_section("Deepest drawdowns", _render_drawdowns(head)),
        _render_section("What costs do to it", _render_plot("costs", plots.draw_costs(_stress_lines(run.lines)))),
    ]
    if head.trades.height:
        whole = group_by_position(head.trades)
        parts += [
            _render_section("Positions", _render_plot("trades", plots.draw_trades(whole))),
            _render_section("How positions ended", _render_frame(breakdown.summarise_by(whole, "exit_reason"))),
            _render_section("Long and short legs", _render_frame(breakdown.summarise_by(head.trades, "side"))),
            _render_section("Pairs", _render_plot("pairs", plots.draw_pairs(breakdown.summarise_by(whole, "pair_id")))),
        ]
    parts += list(_render_tables(run))
    parts.append(
        _render_details("Where it came from", [(name, run.tags[name]) for name in _ORIGIN if name in run.tags])
    )
    parts.append(_render_details("Parameters", sorted(run.params.items())))
    body = "\n".join(parts)
    library = f"<script>{get_plotlyjs()}</script>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_escape(run.name)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_make_policy(library, *parts)}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style>'
        f"{library}</head><body>{body}</body></html>\n"
    )


def _make_policy(*parts: str) -> str:
    """Return the policy of the page: it loads nothing, sends nothing, and runs the scripts of `parts` and no other."""
    scripts = [script for part in parts for script in _SCRIPT.findall(part)]
    digests = {base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts}
    allowed = " ".join(f"'sha256-{digest}'" for digest in sorted(digests))
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _choose_head(lines: Sequence[ContenderLine]) -> ContenderLine:
    """Choose the line that the page details: the model of a training, the reference family of a comparison."""
    by_key = {line.key: line for line in lines}
    return next((by_key[key] for key in ("model", "pair_forest") if key in by_key), lines[0])


def _render_comparison(lines: Sequence[ContenderLine]) -> str:
    shown = [item for item in _MEASURES if any(item[0] in line.metrics for line in lines)]
    rows = [[line.label, *(_format_number(line.metrics.get(name), unit) for name, _, unit in shown)] for line in lines]
    best = max(lines, key=lambda line: line.metrics.get("net_return", 0.0))
    net = best.metrics.get("net_return", 0.0)
    earns = [line.label for line in lines if line.metrics.get("net_return", 0.0) > 0]
    summary = (
        f"After costs {', '.join(earns)} earned money; the rest did not."
        if earns
        else "After costs nothing earned money."
    )
    verdict = f"<p class={'good' if net > 0 else 'bad'}>{_escape(summary)}</p>"
    return (
        verdict
        + _render_table(["", *(title for _, title, _ in shown)], rows)
        + _render_details(
            "What they are", [(line.label, line.name) for line in lines if line.label != line.name], shown=True
        )
    )


def _compute_months(line: ContenderLine) -> pl.DataFrame:
    return breakdown.compute_monthly_returns(line.equity, line.initial_equity)


def _stress_lines(lines: Sequence[ContenderLine]) -> list[tuple[str, pl.DataFrame]]:
    return [
        (line.label, stress_costs(line.trades, line.equity, line.initial_equity))
        for line in lines
        if line.trades.height and "costs" in line.equity.columns  # runs of earlier releases do not say when they paid
    ]


def _render_drawdowns(line: ContenderLine) -> str:
    table = breakdown.list_worst_drawdowns(line.equity, line.initial_equity)
    rows: list[list[Cell]] = [
        [
            _format_day(start),
            _format_day(trough),
            "not yet" if end is None else _format_day(end),
            f"{depth:.1%}",
            f"{hours / 24:.1f}",
        ]
        for start, trough, end, depth, hours in table.iter_rows()
    ]
    return _render_table(["from", "lowest", "recovered", "depth", "days"], rows) if rows else "<p>none</p>"


def _render_tables(run: RunContents) -> Iterable[str]:
    figures: dict[str, tuple[str, Callable[[pl.DataFrame], Figure]]] = {
        "calibration": ("Calibration", plots.draw_calibration),
        "feature_importance": ("Feature importance", plots.draw_importance),
        "drift": ("Drift: test against training", plots.draw_drift),
        "folds": ("Net return by test period", plots.draw_folds),
        "ic_by_month": ("Rank correlation of score and outcome by month", plots.draw_monthly_ic),
        "deciles": ("What followed each tenth of the scores", plots.draw_deciles),
    }
    for name, (title, draw) in figures.items():
        if name in run.tables and run.tables[name].height:
            yield _render_section(title, _render_plot(name, draw(run.tables[name])))


def _render_section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _render_plot(name: str, figure: Figure) -> str:
    drawn: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"plot-{name}",
        config={"displaylogo": False, "responsive": True},
    )
    # What a label could smuggle in is written out by plotly; a second script would be one that is not ours.
    if drawn.lower().count("<script") != 1:
        raise DataError(f"the figure {name} holds a script that is not its own", "look at the names in the run's files")
    return f"<div class=plot>{drawn}</div>"


def _render_frame(table: pl.DataFrame) -> str:
    return _render_table(
        table.columns,
        [[_format_number(cell) if isinstance(cell, float) else cell for cell in row] for row in table.iter_rows()],
    )


def _render_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    head = "".join(f"<th>{_escape(str(name).replace('_', ' '))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_escape('–' if cell is None else str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _render_details(title: str, rows: Sequence[tuple[str, str]], *, shown: bool = False) -> str:
    opened = " open" if shown else ""
    return f"<details{opened}><summary>{title}</summary>{_render_table(['', ''], rows)}</details>" if rows else ""


def _format_number(value: float | None, unit: str = "") -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN is what differs from itself
        return "–"
    if unit == "%":
        return f"{value + 0.0:.1%}".replace("-0.0%", "0.0%")
    return f"{value:,.0f}" if unit == "n" else f"{value:,.2f}"


def _format_day(instant: object) -> str:
    return "start" if instant is None else f"{instant:%Y-%m-%d}"


def _escape(value: str) -> str:
    return html.escape(value)
