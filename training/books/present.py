"""The market of a book at the newest close, from the stored data as known now: the arrays of the backtest."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import numpy as np

from pairity.books.families import BookFamily, PairSides
from pairity.books.limits import VOLATILITY_HOURS, BookLimits
from pairity.books.present import PresentMarket
from pairity.errors import MissingDataError
from pairity.settings import Settings
from pairity.timeline import HOUR, format_instant
from training.books.panel import BookPanel
from training.books.plan import measure_realised, plan_book, view_market
from training.books.stored_market import load_market, make_book_terms

_RECENT = 24
"""Hours: a name with a bar within them should have one at the close, too."""


def read_present(
    settings: Settings,
    family: BookFamily,
    limits: BookLimits,
    able: Collection[str],
    held_pairs: PairSides,
    *,
    close: datetime,
    now: datetime,
) -> PresentMarket:
    """Return the market of the names of `able` at `close`, as `ReadMarket` describes."""
    history = load_market(settings, now, close).history
    panel = history.panel
    row = (close - panel.start) // HOUR
    if row != panel.hours - 1:
        raise MissingDataError(
            f"no bar that closed at {format_instant(close)} is stored", "look at what ingestion says of this hour"
        )
    names = frozenset(able)
    realised = None
    if limits.volatility is not None:
        # From the last decision before the window on: what is planned earlier moves nothing.
        first = max(0, row - VOLATILITY_HOURS - family.every_hours)
        plan = plan_book(history, family, names, first=first, costs=make_book_terms(settings).costs)
        realised = measure_realised(panel, plan, row)
    market = view_market(history, family, names, row, held_pairs)
    prices, missing = _read_closes(panel, names)
    return PresentMarket(market, realised, prices, missing)


def _read_closes(panel: BookPanel, names: Collection[str]) -> tuple[dict[str, float], frozenset[str]]:
    prices, missing = {}, set()
    for column, name in enumerate(panel.names):
        known = np.flatnonzero(~np.isnan(panel.closes[:, column]))
        if not known.size:
            continue
        newest = int(known[-1])
        prices[name] = float(panel.closes[newest, column])
        if name in names and panel.hours - 1 - _RECENT <= newest < panel.hours - 1:
            missing.add(name)
    return prices, frozenset(missing)
