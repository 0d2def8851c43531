"""One self-contained HTML page about a run: verdict, all lines beside each other, a tear sheet of each, the model.

It runs nothing and loads nothing; the line that is looked at is chosen by a button of the style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pairity.number_formats import format_fixed
from training.backtest.performance import compute_drawdown
from training.evaluation.tear_sheet import Floats, compute_returns
from training.reports import model_figures
from training.reports.axes import make_axis, make_time_axis
from training.reports.contents import ContenderLine, RunContents
from training.reports.figures import Figure, Shape, draw_line, draw_threshold, frame, lack, list_points, thin
from training.reports.ranked_equity import MOST_COLOURS, EquityCurve, draw_ranked_equity
from training.reports.tear_sheet import MONTH_NAMES, make_sheet
from training.reports.verdict_box import make_verdict, read_count
from validation.pages.render import render_page as render_template

_TEMPLATES = Path(__file__).parent / "templates"
_ORIGIN = ("snapshot_id", "training_digest", "feature_service", "code_revision", "code_dirty", "train_end", "universe")
_HOLDING = "btc"
_POINTS_OF_ALL = 7000
"""Points of one figure with all lines, and about as many in each kind of figure of all sheets."""
_MOST_POINTS, _LEAST_POINTS = 600, 120
OLD_TABLES = {"calibration": "its table counts rows whose label is 0 by definition: train again for candidates alone"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of horizontal bars: share of the longest one in per cent, and where its threshold lies."""

    name: str
    text: str
    width: float
    limit: float | None = None
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class ModelPart:
    """What the page shows of the model: figures, and importances and drift as bars."""

    figures: tuple[Figure, ...]
    importances: tuple[Bar, ...]
    drift: tuple[Bar, ...]


def render_page(run: RunContents) -> str:
    """Return the whole page as text; it loads nothing from anywhere. The same run gives the same text."""
    points = min(_MOST_POINTS, max(_LEAST_POINTS, _POINTS_OF_ALL // max(1, len(run.lines))))
    holding = _find_holding(run.lines)
    sheets = [make_sheet(line, holding, points) for line in run.lines]
    return render_template(
        _TEMPLATES,
        "report.html",
        run=run,
        verdict=make_verdict(run),
        chosen=_choose_head(run.lines),
        sheets=list(zip(sheets, (_draw_family(run, line) for line in run.lines), strict=True)),
        overlays=draw_overlays(run.lines, points),
        described=[(line.label, line.name) for line in run.lines if line.label != line.name],
        model=_make_model_part(run),
        origin=[(name, run.tags[name]) for name in _ORIGIN if name in run.tags],
        params=sorted(run.params.items()),
        month_names=MONTH_NAMES,
    )


def draw_overlays(lines: Sequence[ContenderLine], points: int) -> list[Figure]:
    """Draw equity over start, and drawdown, of every line on one axis of time."""
    known = [line for line in lines if line.equity.height > 1]
    curves = [
        EquityCurve(
            line.label,
            line.equity["time"].to_list(),
            (line.equity["equity"] / line.initial_equity).to_list(),
            f"line-{lines.index(line)}",
            is_coin=line.key == _HOLDING,
        )
        for line in known
    ]
    return [draw_ranked_equity(curves, points), _draw_drawdowns(lines, known, points)]


def _draw_drawdowns(lines: Sequence[ContenderLine], known: Sequence[ContenderLine], points: int) -> Figure:
    title = "Drawdown after costs"
    if not known:
        return lack(title, "the run has no hours")
    first = min(line.equity["time"].min() for line in known)  # type: ignore[type-var]
    last = max(line.equity["time"].max() for line in known)  # type: ignore[type-var]
    x = make_time_axis(first, last)  # type: ignore[arg-type]
    curves = [(100.0 * compute_drawdown(line.equity["equity"], line.initial_equity)).to_list() for line in known]
    y = make_axis([value for curve in curves for value in curve], "drawdown, %", zero=True)
    shapes = [draw_threshold(y, 0.0, "", "zero")]
    for line, curve in zip(known, curves, strict=True):
        style, name = _style(lines, line)
        shapes.append(draw_line(x, y, thin(list_points(line.equity["time"].to_list(), curve), points), style, name))
    if len(lines) > MOST_COLOURS:
        shapes += [Shape("", "chosen", "the line that is chosen above"), Shape("", "other", "all others")]
    return frame(title, x, y, shapes)


def _style(lines: Sequence[ContenderLine], line: ContenderLine) -> tuple[str, str]:
    """Return class and name of a line in the figure of all drawdowns, which has no legend by rank."""
    number = lines.index(line)
    if len(lines) <= MOST_COLOURS:
        return f"c{number} line-{number}", line.label
    return ("coin", line.label) if line.key == _HOLDING else (f"other line-{number}", "")


def _find_holding(lines: Sequence[ContenderLine]) -> Floats | None:
    found = next((line for line in lines if line.key == _HOLDING), None)
    return None if found is None else compute_returns(found.equity, found.initial_equity)


def _choose_head(lines: Sequence[ContenderLine]) -> int:
    """Choose the line that is shown first: the model of a training, the reference family of a comparison."""
    keys = [line.key for line in lines]
    return next((keys.index(key) for key in ("model", "pair_forest") if key in keys), 0)


def _draw_family(run: RunContents, line: ContenderLine) -> tuple[Figure, ...]:
    """Draw what a comparison knows of one family: test periods, rank correlation, tenths of its scores."""
    draw = {
        "folds": model_figures.draw_folds,
        "ic_by_month": model_figures.draw_monthly_ic,
        "deciles": model_figures.draw_deciles,
    }
    figures = []
    for name, make in draw.items():
        table = run.tables.get(name)
        if table is None or "family" not in table.columns:
            continue
        own = table.filter(pl.col("family") == line.key)
        if own.height:
            figures.append(make(own))
    return tuple(figures)


def _make_model_part(run: RunContents) -> ModelPart:
    threshold = read_count(run, "strategy.probability_min")
    figures = []
    if "calibration_candidates" in run.tables:
        figures.append(model_figures.draw_calibration(run.tables["calibration_candidates"]))
    elif "calibration" in run.tables:
        figures.append(lack("Calibration, candidates only", OLD_TABLES["calibration"]))
    if "scores_candidates" in run.tables:
        figures.append(model_figures.draw_scores(run.tables["scores_candidates"], threshold))
    return ModelPart(
        figures=tuple(figures),
        importances=_list_importances(run.tables.get("feature_importance", pl.DataFrame())),
        drift=_list_drift(run.tables.get("drift", pl.DataFrame())),
    )


def _list_importances(table: pl.DataFrame) -> tuple[Bar, ...]:
    rows = table.sort("importance", descending=True, maintain_order=True).iter_rows() if table.height else iter(())
    known = [(str(name), float(value)) for name, value in rows if value is not None and math.isfinite(value)]
    longest = _find_longest(value for _, value in known)
    return tuple(Bar(name, str(format_fixed(value, 3)), 100 * max(0.0, value) / longest) for name, value in known)


def _list_drift(table: pl.DataFrame) -> tuple[Bar, ...]:
    """Return the population stability index of each feature; 0.25, a rule of thumb, where a run has no limits."""
    if not table.height:
        return ()
    limits = table["limit"].to_list() if "limit" in table.columns else [0.25] * table.height
    rows = [(str(n), v, lim) for n, v, lim in zip(table["feature"], table["psi"], limits, strict=True) if v is not None]
    longest = _find_longest(max(value, limit or 0.0) for _, value, limit in rows)
    return tuple(
        Bar(
            name=name,
            text=f"{format_fixed(value, 3)} (limit {format_fixed(limit, 3)})",
            width=100 * value / longest,
            limit=None if limit is None else 100 * limit / longest,
            beyond=limit is not None and value > limit,
        )
        for name, value, limit in rows
    )


def _find_longest(values: Iterable[float]) -> float:
    return max((value for value in values if math.isfinite(value)), default=0.0) or 1.0
