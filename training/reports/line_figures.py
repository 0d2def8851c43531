"""Figures of one line of a run, from its equity and trades; each says what it lacks where there is nothing to draw."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from pairity.number_formats import format_count, format_percent, format_plain
from training.evaluation import cost_shares, rolling
from training.evaluation.tear_sheet import Floats, Statistic, compute_daily_returns, compute_returns
from training.reports.axes import choose_step, make_axis, make_category_axis, make_time_axis
from training.reports.contents import ContenderLine
from training.reports.figures import (
    Figure,
    draw_area,
    draw_bars,
    draw_dots,
    draw_line,
    draw_threshold,
    frame,
    lack,
    list_points,
    thin,
)

MOST_DOTS = 600
"""Most positions that are drawn; of more, the largest gains and losses."""
_LEAST_DAYS = 3
_DAY = timedelta(days=1)


def draw_rolling(line: ContenderLine, holding: Floats | None, points: int) -> list[Figure]:
    """Draw Sharpe ratio, volatility and beta over windows of 30 days."""
    returns = compute_returns(line.equity, line.initial_equity)
    window = f"over {rolling.WINDOW_DAYS} days"
    titles = {
        "sharpe": (f"Rolling Sharpe {window}", "Sharpe, annualised"),
        "volatility": (f"Rolling volatility {window}", "volatility, annualised, %"),
        "beta": (f"Rolling beta to holding the coin {window}", "beta"),
    }
    if (lacks := rolling.explain_no_window(len(returns))) is not None:
        return [lack(title, lacks) for title, _ in titles.values()]
    rolled = rolling.roll(line.equity["time"], returns, holding)
    if rolled.height < 2:
        return [lack(title, "there is one window only") for title, _ in titles.values()]
    x = make_time_axis(*_find_span(line.equity))
    figures = []
    for name, (title, unit) in titles.items():
        values = (rolled[name] * (100.0 if name == "volatility" else 1.0)).to_list()
        if all(value is None for value in values):
            lacks = (
                "nothing moves" if name != "beta" or holding is not None else "the run has no line that holds the coin"
            )
            figures.append(lack(title, lacks))
            continue
        y = make_axis(values, unit, zero=name != "volatility")
        curve = thin(list_points(rolled["time"].to_list(), values), points)
        shapes = (draw_threshold(y, 0.0, "", "zero"), draw_line(x, y, curve, "chosen"))
        figures.append(frame(title, x, y, shapes))
    return figures


def draw_distribution(line: ContenderLine, tail: dict[str, Statistic]) -> Figure:
    """Draw how many days had which return, with value at risk and expected shortfall."""
    title = "Returns of days"
    days = 100.0 * compute_daily_returns(line.equity, line.initial_equity)["return"].to_numpy()
    if len(days) < _LEAST_DAYS:
        return lack(title, f"{_LEAST_DAYS} whole days are needed, {format_count(len(days), 'is there', 'are there')}")
    if float(np.ptp(days)) <= 1e-10:
        return lack(title, "all days are the same")
    reach = make_axis(days.tolist(), "return of a day, %", ticks=6)
    width = choose_step(float(np.ptp(days)) / min(40.0, max(8.0, 2.0 * len(days) ** 0.5)))
    # Multiples of a round width: a bar is either of losses or of gains
    edges = width * np.arange(np.floor(days.min() / width), np.ceil(days.max() / width) + 1.5)
    counts = np.histogram(days, edges)[0].tolist()
    y = make_axis(counts, "days", zero=True, ticks=4)
    bars = list(zip(edges[:-1].tolist(), edges[1:].tolist(), counts, strict=True))
    lost, gained = [bar for bar in bars if bar[1] <= 1e-12], [bar for bar in bars if bar[1] > 1e-12]
    shapes = [draw_bars(reach, y, lost, "down"), draw_bars(reach, y, gained, "up")]
    names = {
        "value_at_risk": ("value at risk, 95%", "mark"),
        "expected_shortfall": ("expected shortfall, 95%", "mark2"),
    }
    for key, (name, style) in names.items():
        value = tail[key].value
        if value is not None:
            said = f"{name}: {format_percent(value)}"
            shapes.append(draw_threshold(reach, -100.0 * value, said, style, upright=True))
    return frame(title, reach, y, shapes)


def draw_exposure(line: ContenderLine, points: int) -> Figure:
    """Draw the notional held over equity, mean of each day."""
    title = "Exposure, mean of each day"
    if "exposure" not in line.equity.columns:
        return lack(title, "the run did not store it")
    days = line.equity.group_by(day=(pl.col("time") - timedelta(microseconds=1)).dt.truncate("1d"), maintain_order=True)
    means = days.agg(pl.col("exposure").mean())
    if means.height < 2:
        return lack(title, f"2 days are needed, {format_count(means.height, 'is there', 'are there')}")
    x = make_time_axis(*_find_span(line.equity))
    values = means["exposure"].to_list()
    y = make_axis(values, "notional / equity", zero=True, ticks=4)
    return frame(title, x, y, (draw_area(x, y, thin(list_points(means["day"].to_list(), values), points), "held"),))


def draw_turnover(line: ContenderLine) -> Figure:
    """Draw what was traded in each month, in multiples of its mean equity."""
    title = "Turnover by month"
    table = cost_shares.tabulate_turnover(line.trades, line.equity)
    if line.trades.is_empty():
        return lack(title, "no trade was closed")
    x = make_category_axis([f"{month:%Y-%m}" for month in table["month"]], "month of the exit")
    y = make_axis(table["turnover"].to_list(), "times equity", zero=True, ticks=4)
    bars = [(place + 0.15, place + 0.85, value) for place, value in enumerate(table["turnover"])]
    return frame(title, x, y, (draw_bars(x, y, bars, "held"),))


def draw_positions(line: ContenderLine, positions: pl.DataFrame) -> Figure:
    """Draw the net profit of every position by the time at which it was closed."""
    title = "Net profit of positions"
    if positions.is_empty():
        return lack(title, "no trade was closed")
    shown = positions
    if positions.height > MOST_DOTS:
        largest = positions.sort(pl.col("net_pnl").abs(), "position_id", descending=True).head(MOST_DOTS)
        shown = largest.sort("closed_at", "position_id")
    note = "" if shown is positions else f"{MOST_DOTS} of {positions.height:,} positions: the largest gains and losses"
    x = make_time_axis(*_find_span(line.equity))
    y = make_axis(shown["net_pnl"].to_list(), "net profit, USDT", zero=True)
    shapes = [draw_threshold(y, 0.0, "", "zero")]
    for name, won, style in (("won", True, "up"), ("lost", False, "down")):
        part = shown.filter((pl.col("net_pnl") > 0) == won)
        shapes.append(draw_dots(x, y, list_points(part["closed_at"].to_list(), part["net_pnl"].to_list()), style, name))
    return frame(title, x, y, shapes, note)


def draw_cost_stress(stress: pl.DataFrame | None) -> Figure:
    """Draw net return over cost per side; where the line crosses 0 lies the cost that it could bear."""
    title = "Net return at other costs"
    if stress is None:
        return lack(title, "runs of earlier releases do not say when costs were paid")
    known = stress.drop_nulls("cost_bps_per_side")
    if known.height < 2:
        return lack(title, "nothing was traded")
    costs, nets = known["cost_bps_per_side"].to_list(), (100.0 * known["net_return"]).to_list()
    x = make_axis(costs, "fees and slippage a side, bps", zero=True, ticks=6)
    y = make_axis(nets, "net return, %", zero=True)
    points = list(zip(costs, nets, strict=True))
    paid = next(cost for factor, cost in known.select("factor", "cost_bps_per_side").iter_rows() if factor == 1.0)
    shapes = (
        draw_threshold(y, 0.0, "", "zero"),
        draw_threshold(x, paid, f"what was paid: {format_plain(paid, 3)} bps", upright=True),
        draw_line(x, y, points, "chosen"),
        draw_dots(x, y, points, "chosen"),
    )
    return frame(title, x, y, shapes)


def _find_span(equity: pl.DataFrame) -> tuple[datetime, datetime]:
    first, last = equity["time"].min(), equity["time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first, last
