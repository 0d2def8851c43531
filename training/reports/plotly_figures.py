"""Interactive figures of the report: each function takes plain tables and returns one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from pairity.number_formats import format_plain
from training.backtest.performance import compute_drawdown
from training.reports.contents import ContenderLine

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_COLOURS = (
    "#1f77b4", "#d95f02", "#7570b3", "#1b9e77", "#a6761d", "#e7298a", "#666666", "#66a61e", "#9edae5", "#fdbf6f",
    "#cab2d6", "#b2df8a", "#d8b365", "#f4b6d2", "#c7c7c7", "#5ab4ac", "#08306b", "#67000d", "#3f007d", "#00441b",
)  # fmt: skip
_UP, _DOWN = "#2a7f4f", "#b5432f"
_POINTS = 2000
"""Most points per curve: a page of years of hours would weigh tens of megabytes."""


def draw_equity(lines: Sequence[ContenderLine]) -> Figure:
    """Draw equity over start and drawdown of every contender, on one time axis."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.65, 0.35], vertical_spacing=0.05)
    for number, line in enumerate(lines):
        curve = _thin(
            line.equity.select(
                "time",
                value=pl.col("equity") / line.initial_equity,
                fall=compute_drawdown(line.equity["equity"], line.initial_equity),
            )
        )
        style = {"name": line.label, "legendgroup": line.key, "line": {"width": 1.3, "color": _pick_colour(number)}}
        times = curve["time"].dt.replace_time_zone(None).to_list()
        figure.add_scatter(x=times, y=_round(curve["value"]), row=1, col=1, **style)
        figure.add_scatter(x=times, y=_round(100 * curve["fall"]), row=2, col=1, showlegend=False, **style)
    figure.add_hline(y=1.0, line={"width": 0.6, "color": "#999"}, row=1, col=1)
    figure.update_yaxes(title="equity / start", row=1, col=1)
    figure.update_yaxes(title="drawdown, %", row=2, col=1)
    return _lay_out(figure, 520)


def draw_months(table: pl.DataFrame) -> Figure:
    """Draw monthly returns: a row per year, a column per month."""
    from plotly.graph_objects import Figure, Heatmap

    years = sorted(set(table["year"]))
    by_month = {(year, month): value for year, month, value in table.iter_rows()}
    cells = [[by_month.get((year, month)) for month in range(1, 13)] for year in years]
    percent = [[None if cell is None else round(100 * cell, 2) for cell in row] for row in cells]
    names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    figure = Figure(
        Heatmap(
            z=percent,
            x=names,
            y=[str(year) for year in years],
            colorscale=[[0, _DOWN], [0.5, "#f7f7f5"], [1, _UP]],
            zmid=0,
            text=[["" if cell is None else f"{cell:+.1f}" for cell in row] for row in percent],
            texttemplate="%{text}",
            colorbar={"title": "%"},
            hoverongaps=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_yaxes(type="category")
    return _lay_out(figure, 130 + 44 * len(years))


def draw_costs(curves: Sequence[tuple[str, pl.DataFrame]]) -> Figure:
    """Draw net return over the cost per side, per contender; a line crosses 0 at the cost that it could bear."""
    from plotly.graph_objects import Figure

    figure = Figure()
    for number, (name, curve) in enumerate(curves):
        figure.add_scatter(
            x=_round(curve["cost_bps_per_side"]),
            y=_round(100 * curve["net_return"]),
            name=name,
            mode="lines+markers",
            line={"color": _pick_colour(number), "width": 1.3},
            marker={"size": 5},
            text=[f"{format_plain(factor)} × costs" for factor in curve["factor"]],
        )
    figure.add_hline(y=0, line={"width": 0.6, "color": "#999"})
    figure.update_xaxes(title="fees and slippage per side, bps")
    figure.update_yaxes(title="net return, %")
    return _lay_out(figure, 340)


def draw_trades(log: pl.DataFrame) -> Figure:
    """Draw the net profit of every position by the time at which it was closed."""
    from plotly.graph_objects import Figure

    figure = Figure()
    for name, won, colour in (("won", True, _UP), ("lost", False, _DOWN)):
        part = log.filter((pl.col("net_pnl") > 0) == won)
        figure.add_scatter(
            x=part["closed_at"].dt.replace_time_zone(None).to_list(),
            y=_round(part["net_pnl"]),
            name=name,
            mode="markers",
            marker={"color": colour, "size": 6, "opacity": 0.7},
            text=[f"{pair}, {reason}" for pair, reason in part.select("pair_id", "exit_reason").iter_rows()],
        )
    figure.update_yaxes(title="net profit, USDT")
    return _lay_out(figure, 340)


def draw_pairs(table: pl.DataFrame) -> Figure:
    """Draw the net profit per pair, best first."""
    return _draw_bars(
        table["pair_id"].to_list(),
        _round(table["net_pnl"]),
        "net profit, USDT",
        [f"{count} trades" for count in table["trades"]],
    )


def draw_folds(table: pl.DataFrame) -> Figure:
    """Draw the net return per test period and family."""
    from plotly.graph_objects import Figure

    figure = Figure()
    for number, (family,) in enumerate(table.select("family").unique(maintain_order=True).iter_rows()):
        own = table.filter(pl.col("family") == family)
        figure.add_bar(
            x=own["fold"].to_list(),
            y=_round(100 * own["net_return"]),
            name=family,
            marker={"color": _pick_colour(number)},
        )
    figure.update_yaxes(title="net return, %")
    figure.update_xaxes(type="category", title="test period from")
    return _lay_out(figure, 340)


def draw_calibration(table: pl.DataFrame) -> Figure:
    """Draw observed frequency against predicted probability, with the number of rows in each bin."""
    from plotly.graph_objects import Figure

    figure = Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "#999"}, name="perfect")
    figure.add_scatter(
        x=_round(table["mean_probability"]),
        y=_round(table["observed"]),
        mode="lines+markers",
        name="model",
        line={"color": _COLOURS[0]},
        text=[f"{rows:,} rows" for rows in table["rows"]],
    )
    figure.update_xaxes(title="predicted probability", range=[0, 1])
    figure.update_yaxes(title="observed frequency", range=[0, 1])
    return _lay_out(figure, 360)


def draw_importance(table: pl.DataFrame) -> Figure:
    """Draw the importance per feature, largest first."""
    return _draw_bars(table["feature"].to_list(), _round(table["importance"]), "importance", None)


def draw_drift(table: pl.DataFrame) -> Figure:
    """Draw the population stability index per feature, and what the training rows reach among themselves.

    Tables of older runs have no limits; a line at 0.25, the rule of thumb, stands for them.
    """
    from plotly.graph_objects import Scatter

    names = table["feature"].to_list()
    figure = _draw_bars(names, _round(table["psi"]), "PSI", None)
    if "limit" not in table.columns:
        figure.add_hline(y=0.25, line={"dash": "dot", "color": _DOWN})
        return figure
    marks = {"symbol": "line-ew-open", "size": 14, "color": _DOWN}
    figure.add_trace(Scatter(x=names, y=_round(table["limit"]), mode="markers", marker=marks, name="limit"))
    return figure


def _draw_bars(names: list[str], values: list[float | None], title: str, text: list[str] | None) -> Figure:
    from plotly.graph_objects import Bar, Figure

    colours = [_DOWN if (value or 0) < 0 else _UP for value in values]
    figure = Figure(Bar(x=names, y=values, marker={"color": colours}, hovertext=text))
    figure.update_yaxes(title=title)
    figure.update_xaxes(tickangle=-60, tickfont={"size": 10})
    return _lay_out(figure, 380)


def draw_exposure(line: ContenderLine) -> Figure:
    """Draw notional held over equity, mean of each day."""
    from plotly.graph_objects import Figure

    days = line.equity.group_by(pl.col("time").dt.truncate("1d").dt.date().alias("day"), maintain_order=True).agg(
        pl.col("exposure").mean()
    )
    figure = Figure()
    figure.add_scatter(
        x=days["day"].to_list(),
        y=_round(days["exposure"]),
        mode="lines",
        fill="tozeroy",
        line={"width": 0.8, "color": _COLOURS[0]},
        showlegend=False,
    )
    figure.update_yaxes(title="notional / equity")
    return _lay_out(figure, 260)


def draw_monthly_ic(table: pl.DataFrame) -> Figure:
    """Draw the rank correlation of score and outcome per month and family."""
    from plotly.graph_objects import Figure

    figure = Figure()
    for number, (family,) in enumerate(table.select("family").unique(maintain_order=True).iter_rows()):
        own = table.filter(pl.col("family") == family).drop_nulls("rank_ic")
        figure.add_scatter(
            x=own["month"].to_list(),
            y=_round(own["rank_ic"]),
            name=family,
            mode="lines+markers",
            line={"width": 1, "color": _pick_colour(number)},
            marker={"size": 5},
        )
    figure.add_hline(y=0, line={"width": 0.6, "color": "#999"})
    figure.update_yaxes(title="rank correlation")
    return _lay_out(figure, 340)


def draw_deciles(table: pl.DataFrame) -> Figure:
    """Draw the outcome of each tenth of the scores, standardised per family, whose outcomes differ in kind."""
    from plotly.graph_objects import Figure

    figure = Figure()
    for number, (family,) in enumerate(table.select("family").unique(maintain_order=True).iter_rows()):
        own = table.filter(pl.col("family") == family)
        spread = own["mean_outcome"].std()
        if own.height < 2 or not isinstance(spread, float) or spread == 0.0:
            continue
        relative = (own["mean_outcome"] - own["mean_outcome"].mean()) / spread
        figure.add_scatter(
            x=own["decile"].to_list(),
            y=_round(relative),
            name=family,
            mode="lines+markers",
            line={"width": 1.2, "color": _pick_colour(number)},
            marker={"size": 5},
            text=[f"mean outcome {format_plain(value, 6)}" for value in own["mean_outcome"]],
        )
    figure.add_hline(y=0, line={"width": 0.6, "color": "#999"})
    figure.update_xaxes(title="tenth of the scores, lowest first", dtick=1)
    figure.update_yaxes(title="mean outcome, standardised")
    return _lay_out(figure, 360)


def _lay_out(figure: Figure, height: int) -> Figure:
    figure.update_layout(
        template="simple_white",
        height=height,
        margin={"l": 60, "r": 20, "t": 20, "b": 40},
        hovermode="closest",
        legend={"orientation": "h", "y": -0.32, "yanchor": "top", "x": 0},
        font={"size": 12},
    )
    return figure


def _thin(curve: pl.DataFrame) -> pl.DataFrame:
    """Keep every n-th hour and the last one."""
    step = max(1, -(-curve.height // _POINTS))
    return curve.with_row_index("__row").filter((pl.col("__row") % step == 0) | (pl.col("__row") == curve.height - 1))


def _round(values: pl.Series) -> list[Any]:
    """Round to six digits: enough for a screen, and the page stays small."""
    return values.cast(pl.Float64).round_sig_figs(6).to_list()


def _pick_colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]
