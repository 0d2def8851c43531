"""The stored market as books see it: bars and settlements of the universe, contracts, account and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from feature_repo.catalog import ASSET_BOOKS, ASSET_HOURLY
from pairity.books.account_limits import make_limits
from pairity.books.families import BookFamily
from pairity.books.features import MIN_BARS
from pairity.books.ranks import MIN_NAMES
from pairity.errors import MissingDataError, TimeRangeError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, format_instant
from pairity.universe import ContractSpec
from training.backtest.inputs import read_lake_settlements
from training.books.account import BookCosts
from training.books.engine import BookTerms
from training.books.history_features import FeatureHistory
from training.books.panel import BookPanel, build_panel
from training.books.stored_features import StoredFeatures
from training.books.stored_pairs import StoredPairs
from training.books.stored_scores import StoredScores
from training.data.contracts import read_traded_contracts
from training.data.history import read_bars

_IMPACT = 1.0
_WINDOW = ASSET_BOOKS.lookback // HOUR
_EQUITY = 100_000.0
"""A dozen names need more than one pair does: below this the lots of a book are too coarse to say anything."""


@dataclass(frozen=True, slots=True)
class StoredMarket:
    """What all books of one study trade: history with features, stored bars, contracts by name."""

    history: FeatureHistory
    bars: pl.DataFrame
    specs: Mapping[str, ContractSpec]


def load_market(settings: Settings, now: datetime, until: datetime | None) -> StoredMarket:
    """Return the market of the universe up to the close `until`, as known at `now`; MissingDataError without bars."""
    layout, assets = Layout.of(settings), settings.universe.assets
    bars = read_bars(settings, assets, datetime(2009, 1, 1, tzinfo=UTC), until or now, now)
    if bars.is_empty():
        raise MissingDataError(f"no bars of {ASSET_HOURLY.name} are stored", "ingest or collect the universe first")
    settlements = read_lake_settlements(layout, settings.features.venue, assets, now)
    panel = build_panel(bars, settlements, settings.features.decision_lag / HOUR)
    readers = StoredFeatures(settings, now), StoredScores(settings, now), StoredPairs(settings, now)
    history = FeatureHistory(panel, *readers)
    return StoredMarket(history, bars, read_traded_contracts(settings, layout))


def load_hours(settings: Settings, first: datetime, last: datetime, now: datetime) -> tuple[StoredMarket, datetime]:
    """Return the market up to the bar close `last`, and the first close at which a universe can exist.

    MissingDataError where that is not before `last`, and where the stored bars do not reach from `first` to `last`.
    """
    market = load_market(settings, now, last)
    panel = market.history.panel
    universe = panel.close_of(find_first_universe(panel))
    if universe >= last:
        raise MissingDataError(f"there is a universe from {universe:%Y-%m-%d %H:%M} UTC on", "collect more history")
    if panel.start > first or panel.close_of(panel.hours - 1) != last:
        raise MissingDataError("the bars of the universe do not reach over these hours", "collect them")
    return market, universe


def make_book_terms(settings: Settings, *, limit_first: bool = False) -> BookTerms:
    """Return account, costs and limits of books; they begin with `costs.initial_equity_usdt` or 100,000 USDT."""
    maker = settings.costs.maker_fee_bps if limit_first else None
    costs = BookCosts(settings.costs.taker_fee_bps, settings.costs.slippage_bps, _IMPACT, maker)
    equity = settings.costs.initial_equity_usdt or _EQUITY
    return BookTerms(initial_equity=equity, costs=costs, limits=make_limits(settings))


def name_trial(family: BookFamily, terms: BookTerms) -> str:
    """Return the name under which a book is noted as a trial: within other limits, or filled otherwise, another.

    The margin is not named: the leverage that it follows from is a setting of the trial already.
    """
    limits, fills = str(replace(terms.limits, margin=None)), " by limit orders first" if terms.costs.limit_first else ""
    return f"{family.name} within {limits}{fills}" if limits else f"{family.name}{fills}"


def find_first_universe(panel: BookPanel, since: datetime | None = None) -> int:
    """Return the first row from which a universe can exist, or that of `since` where it is later.

    A name needs `MIN_BARS` bars of the last 2,400 hours, as in `asset_universe`. MissingDataError where too few names
    are ever old enough, TimeRangeError where `since` lies behind the last row.
    """
    seen = (~np.isnan(panel.closes)).cumsum(axis=0, dtype=np.int32)
    seen[_WINDOW:] -= seen[:-_WINDOW].copy()
    old = (seen >= MIN_BARS).sum(axis=1) >= MIN_NAMES
    if not old.any():
        raise MissingDataError(
            f"fewer than {MIN_NAMES} names have {MIN_BARS:,} hourly bars: there is no universe of a book",
            "put more names into universe.assets, and ingest or collect a longer history of them",
        )
    earliest = int(old.argmax())
    if since is None:
        return earliest
    last = panel.close_of(panel.hours - 1)
    if since > last:
        raise TimeRangeError(
            f"no bar from {format_instant(since)} on is stored: the last that may be looked at closed at "
            f"{format_instant(last)}",
            "give an earlier --since, or collect later bars",
        )
    return max(earliest, (since - panel.start) // HOUR)
