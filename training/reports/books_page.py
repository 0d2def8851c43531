"""One page about a study of books: equity of all of them in one figure, and how sure each result is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pairity.durable import replace_file
from pairity.layout import Layout
from pairity.measures import format_measure
from pairity.number_formats import format_fixed, format_percent
from training.reports.ranked_equity import EquityCurve, draw_ranked_equity
from validation.pages.render import render_page

if TYPE_CHECKING:
    from training.books.study import BookEvidence, BooksReport

_TEMPLATES = Path(__file__).parent / "templates"
_POINTS = 600
_COLUMNS = ("family", "net return", "Sharpe", "error", "t", "deflated Sharpe", "max drawdown")


def write_books_page(layout: Layout, report: BooksReport) -> Path:
    """Write the page beside the equity curves and return its path; the same study gives the same bytes."""
    path = layout.reports / "books" / f"{report.first:%Y-%m-%d}-{report.last:%Y-%m-%d}.html"
    replace_file(path, render_books(report).encode())
    return path


def render_books(report: BooksReport) -> str:
    """Return the page as text; it loads nothing from anywhere."""
    curves = [
        EquityCurve(
            one.family.name,
            one.result.equity["time"].to_list(),
            (one.result.equity["equity"] / one.result.initial_equity).to_list(),
        )
        for one in report.evidence
    ]
    times = curves[0].times
    held = np.cumprod(1.0 + report.coin_returns).tolist()
    curves.append(EquityCurve(f"{report.coin}, held", times, held, is_coin=True))
    ranked = sorted(report.evidence, key=lambda one: -(one.metrics["net_return"] or 0.0))
    return render_page(
        _TEMPLATES,
        "books.html",
        span=f"{report.first:%Y-%m-%d} to {report.last:%Y-%m-%d}",
        equity=draw_ranked_equity(curves, _POINTS),
        columns=_COLUMNS,
        rows=[_list_cells(one, report) for one in ranked],
        lines=[f"deflated by {report.trials}, all that were ever made", *report.notes],
    )


def _list_cells(one: BookEvidence, report: BooksReport) -> tuple[str, ...]:
    span, sure = report.last - report.first, one.certainty
    return (
        one.family.name,
        str(format_percent(one.metrics["net_return"], signed=True)),
        str(format_measure("sharpe", one.metrics, span)),
        "–" if sure is None else f"± {format_fixed(sure.error)}",
        "–" if sure is None else str(format_fixed(sure.t)),
        str(format_fixed(one.deflated_sharpe)),
        str(format_measure("max_drawdown", one.metrics, span)),
    )
