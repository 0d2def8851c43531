"""Figures of a training run as PNG, drawn without a display and without matplotlib's global state.

Each function writes one picture and returns its path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pairity.durable import replace_file_with
from pairity.number_formats import format_count, format_percent, format_plain
from training.backtest.performance import compute_drawdown
from training.backtest.records import BacktestResult
from training.reports.axes import LOG_ROOM, choose_log_marks
from training.reports.date_axis import write_dates
from training.reports.ranked_equity import FLOOR, MOST_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 110
_MOST_MONTHS = 48
"""Most months that are written below a picture."""


def draw_equity(path: Path, results: Mapping[str, BacktestResult]) -> Path:
    """Draw equity relative to the start (log scale), and drawdown, of each named backtest on one time axis.

    Named by rank; of many, the best are thick and coloured, the others thin and grey.
    """

    def draw(axes: list[Axes]) -> None:
        worth = {name: one.equity["equity"] / one.initial_equity for name, one in results.items()}
        ranked = sorted((name for name in results if len(worth[name])), key=lambda name: -float(worth[name][-1]))
        for rank, name in enumerate(ranked, 1):
            curve, drawdown = results[name].equity, compute_drawdown(worth[name], 1.0)
            end = format_percent(float(worth[name][-1]) - 1.0, signed=True)
            style: dict[str, Any] = {"linewidth": 1.2, "zorder": 3}
            if rank > MOST_COLOURS:
                style = {"linewidth": 0.5, "zorder": 2, "color": "grey", "alpha": 0.7}
            axes[0].plot(curve["time"], worth[name].clip(lower_bound=FLOOR), label=f"{rank}. {name} {end}", **style)
            axes[1].plot(curve["time"], 100 * drawdown, **style)
        axes[0].axhline(1.0, color="grey", linewidth=0.5)
        _write_factors(axes[0])
        axes[0].set_ylabel("equity / start, log scale")
        axes[1].set_ylabel("drawdown, %")
        # Beside the curves: of a dozen families it would hide most of them
        figure = axes[0].get_figure(root=True)
        assert figure is not None
        if ranked:
            figure.legend(loc="outside lower center", ncols=3, frameon=False)
        axes[0].set_title("Out of sample, after fees, slippage and funding")
        write_dates(axes[1])

    return _save_figure(path, draw, rows=2)


def draw_traded_pair(path: Path, trades: pl.DataFrame, bars: pl.DataFrame) -> Path:
    """Draw the spread of the most traded pair, with entries and exits; a note where nothing was traded.

    `bars`: asset, event_timestamp, close.
    """

    def draw(axes: list[Axes]) -> None:
        if trades.is_empty():
            axes[0].set_title("No trade was made")
            return
        counts = trades.group_by("pair_id").len().sort(["len", "pair_id"], descending=[True, False])
        pair_id = counts["pair_id"][0]
        base, quote = pair_id.split("__")
        spread = _select_closes(bars, base).join(_select_closes(bars, quote), on="event_timestamp", suffix="_quote")
        spread = spread.with_columns(spread=pl.col("close") / pl.col("close_quote"))
        axes[0].plot(spread["event_timestamp"], spread["spread"], linewidth=0.8, color="steelblue")
        chosen = trades.filter(pl.col("pair_id") == pair_id)
        for column, marker, colour in (("opened_at", "^", "green"), ("closed_at", "v", "firebrick")):
            marks = chosen.select(pl.col(column).dt.truncate("1h").alias("event_timestamp")).join(
                spread, on="event_timestamp"
            )
            label = column.removesuffix("_at")
            axes[0].scatter(marks["event_timestamp"], marks["spread"], marker=marker, color=colour, label=label, s=22)
        axes[0].legend()
        axes[0].set_ylabel(f"{base} / {quote}")
        axes[0].set_title(f"{pair_id}: {chosen.height} of {format_count(trades.height, 'trade')}")
        write_dates(axes[0])

    return _save_figure(path, draw)


def draw_calibration(path: Path, table: pl.DataFrame) -> Path:
    """Draw observed frequency against predicted probability (columns mean_probability, observed, rows)."""

    def draw(axes: list[Axes]) -> None:
        axes[0].plot([0, 1], [0, 1], color="grey", linewidth=0.5)
        axes[0].plot(table["mean_probability"], table["observed"], marker="o")
        for probability, observed, rows in table.select("mean_probability", "observed", "rows").iter_rows():
            axes[0].annotate(f"{rows}", (probability, observed), fontsize=7)
        axes[0].set_xlabel("predicted probability")
        axes[0].set_ylabel("observed frequency")
        axes[0].set_title("Calibration of candidates out of sample (rows per bin)")

    return _save_figure(path, draw)


def draw_importance(path: Path, values: Mapping[str, float]) -> Path:
    """Draw the share of each feature, largest on top; nothing where no feature is used."""

    def draw(axes: list[Axes]) -> None:
        names = list(values)[::-1]
        axes[0].barh(names, [values[name] for name in names], color="steelblue")
        axes[0].tick_params(axis="y", labelsize=7)
        axes[0].set_title("Feature importance")
        axes[0].set_xlabel("importance")

    return _save_figure(path, draw)


def draw_score_distribution(path: Path, scored: pl.DataFrame, threshold: float) -> Path:
    """Draw a histogram of the candidates' out-of-sample probabilities by label (columns label, probability)."""

    def draw(axes: list[Axes]) -> None:
        edges = [step / 50 for step in range(51)]
        for label in (0, 1):
            chosen = scored.filter(pl.col("label") == label)["probability"]
            axes[0].hist(chosen, bins=edges, alpha=0.6, label=f"label {label} ({len(chosen)})")
        axes[0].axvline(threshold, color="black", linewidth=0.8, label=f"entered above {format_plain(threshold)}")
        axes[0].legend()
        axes[0].set_xlabel("probability")
        axes[0].set_ylabel("candidates")
        axes[0].set_title("Scores of candidates out of sample")

    return _save_figure(path, draw)


def draw_exposure(path: Path, curve: pl.DataFrame) -> Path:
    """Draw notional held over equity through time (columns time, exposure)."""

    def draw(axes: list[Axes]) -> None:
        axes[0].fill_between(curve["time"], curve["exposure"], step="post", alpha=0.5, color="steelblue")
        axes[0].set_ylabel("notional / equity")
        write_dates(axes[0])
        axes[0].set_title(f"Exposure, {float(curve['exposure'].mean() or 0.0):.2f} on average")  # type: ignore[arg-type]

    return _save_figure(path, draw)


def draw_monthly_ic(path: Path, table: pl.DataFrame) -> Path:
    """Draw the rank correlation of score and outcome per month (columns month, rank_ic)."""

    def draw(axes: list[Axes]) -> None:
        known = table.drop_nulls("rank_ic")
        axes[0].bar([f"{month:%Y-%m}" for month in known["month"]], known["rank_ic"], color="steelblue")
        axes[0].axhline(0.0, color="grey", linewidth=0.5)
        axes[0].set_xticks(range(0, known.height, -(-max(1, known.height) // _MOST_MONTHS)))
        axes[0].tick_params(axis="x", labelrotation=90, labelsize=7)
        axes[0].set_ylabel("rank correlation")
        axes[0].set_title("Score and outcome by month, out of sample")

    return _save_figure(path, draw)


def draw_deciles(path: Path, table: pl.DataFrame) -> Path:
    """Draw the mean outcome per tenth of the scores (columns decile, mean_outcome)."""

    def draw(axes: list[Axes]) -> None:
        axes[0].bar(table["decile"], table["mean_outcome"], color="steelblue")
        axes[0].axhline(0.0, color="grey", linewidth=0.5)
        axes[0].set_xticks(table["decile"].to_list())
        axes[0].set_xlabel("tenth of the scores, lowest first")
        axes[0].set_ylabel("mean outcome")
        axes[0].set_title("What followed each tenth of the scores, out of sample")

    return _save_figure(path, draw)


def draw_drift(path: Path, table: pl.DataFrame) -> Path:
    """Draw the index of each series as a multiple of its limit: a bar per feature pooled, a dot per pair.

    `table`: REFERENCE_DRIFT_SCHEMA. Features that lie furthest come first, at most 30; series without a limit are left
    out, and a note says so where none has one.
    """
    ratios = table.filter(pl.col("limit") > 0, pl.col("psi").is_not_null()).with_columns(
        (pl.col("psi") / pl.col("limit")).alias("ratio")
    )

    def draw(axes: list[Axes]) -> None:
        names = ratios.group_by("feature").agg(pl.col("ratio").max()).sort("ratio", descending=True)["feature"].head(30)
        if not len(names):
            axes[0].set_title("No series has a limit: the training had too few months, or nothing was decided on")
            return
        for place, name in enumerate(reversed(names.to_list())):
            own = ratios.filter(pl.col("feature") == name)
            pooled, pairs = own.filter(pl.col("pair").is_null()), own.filter(pl.col("pair").is_not_null())
            axes[0].barh(place, float(pooled["ratio"].sum() or 0.0), height=0.6, color="steelblue")
            axes[0].plot(pairs["ratio"], [place] * pairs.height, ".", color="darkorange", markersize=4)
        axes[0].axvline(1.0, color="grey", linewidth=1)
        axes[0].set_yticks(range(len(names)), list(reversed(names.to_list())), fontsize=6)
        axes[0].set_xlabel("index / limit (bar: all pairs, dots: each pair)")
        axes[0].set_title("Last month against the training")

    return _save_figure(path, draw)


def _write_factors(axis: Axes) -> None:
    """Set a logarithmic scale of values above 0, with round numbers at its ticks."""
    from matplotlib.ticker import FixedLocator, NullLocator

    low, high = (float(end) for end in axis.dataLim.intervaly)
    low, high = low / LOG_ROOM, high * LOG_ROOM
    axis.set_yscale("log")
    axis.set_ylim(low, high)
    axis.yaxis.set_major_locator(FixedLocator(choose_log_marks(low, high)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(lambda value, _: format_plain(value, 6))


def _select_closes(bars: pl.DataFrame, asset: str) -> pl.DataFrame:
    return bars.filter(pl.col("asset") == asset).select("event_timestamp", "close").sort("event_timestamp")


def _save_figure(path: Path, draw: Callable[[list[Axes]], None], rows: int = 1) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2 * rows + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, squeeze=False, sharex=rows > 1)
    draw(list(axes[:, 0]))
    replace_file_with(path, lambda temporary: figure.savefig(temporary, dpi=_DPI, format="png"))
    return path
