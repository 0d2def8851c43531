"""Views of prices: a pair's ratio and z-score with its trades, and candles of one asset, both from the stored features.

The store is read, not the journal: it has the hours before the process was started, and those of corrections.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from pydantic import Field

from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME, PAIR_HOURLY
from feature_repo.catalog.types import View as FeatureView
from feature_repo.offline_files import keep_newest, scan_since
from pairity.errors import PairityError
from pairity.universe import Pair
from serving.journal import PositionRecord
from serving.views.base import Inputs, View
from serving.views.errors import NotFoundError

MOST_HOURS = 2000
SeriesPoint = tuple[datetime, float | None, float | None]
Candle = tuple[datetime, float, float, float, float]


class Bands(View):
    """z-scores at which the strategy acts: beyond ±`entry` it may enter, at ±`exit` it leaves."""

    entry: float
    exit: float
    stop: float | None = Field(description="Null: stops are prices of a leg, not z-scores.")


class SeriesTrade(View):
    """An entry into or an exit from the pair."""

    position_id: str
    at: datetime
    kind: str
    z: float | None
    reason: str


class OpenLevels(View):
    """Stop and target of the first leg of the open position, as prices of its asset."""

    position_id: str
    asset: str
    stop: float | None
    target: float | None


class SeriesView(View):
    """Ratio of the closes of a pair's assets, and the z-score of its spread, per bar, oldest first."""

    pair: str
    points: list[SeriesPoint] = Field(description="[close of the bar, ratio, z]")
    bands: Bands
    trades: list[SeriesTrade]
    open: OpenLevels | None


class CandleView(View):
    """Hourly bars of one asset, oldest first."""

    asset: str
    candles: list[Candle] = Field(description="[close of the bar, open, high, low, close] in USDT")


def view_series(seen: Inputs, pair_id: str, hours: int) -> SeriesView:
    """Return the last `hours` bars of a pair; NotFoundError for what is no pair of the universe.

    Raises DataError where stored features are damaged.
    """
    pair = find_pair(seen, pair_id)
    since = seen.now - timedelta(hours=hours)
    rows = _read(seen, PAIR_HOURLY, pair.pair_id, ["spread", "z_score"], since)
    records = [
        record
        for record in [*seen.journal.open_positions(), *_read_closed(seen, pair, since)]
        if record.position.pair == pair
    ]
    return SeriesView(
        pair=pair.pair_id,
        points=list(rows.iter_rows()),
        bands=Bands(entry=seen.settings.strategy.z_entry, exit=seen.settings.strategy.exit_z, stop=None),
        trades=sorted((trade for record in records for trade in _list_trades(record)), key=lambda trade: trade.at),
        open=next((_view_levels(record) for record in records if record.close is None), None),
    )


def view_candles(seen: Inputs, asset: str, hours: int) -> CandleView:
    """Return the last `hours` bars of an asset; NotFoundError for one outside the universe. Raises DataError."""
    if asset not in seen.settings.universe.assets:
        raise NotFoundError(
            f"{asset!r} is no asset of the universe", f"choose from: {', '.join(seen.settings.universe.assets)}"
        )
    since = seen.now - timedelta(hours=hours)
    rows = _read(seen, ASSET_HOURLY, asset, ["open", "high", "low", "close"], since)
    return CandleView(asset=asset, candles=list(rows.drop_nulls().iter_rows()))


def find_pair(seen: Inputs, pair_id: str) -> Pair:
    """Return the pair of an id; NotFoundError for what is no pair of the universe."""
    try:
        pair = Pair.from_id(pair_id)
    except PairityError as error:
        raise NotFoundError(error.what, error.remedy) from error
    if pair not in seen.settings.universe.pairs:
        raise NotFoundError(f"{pair_id!r} is no pair of the universe", "its name follows the order of the assets")
    return pair


def _read(seen: Inputs, view: FeatureView, entity: str, names: list[str], since: datetime) -> pl.DataFrame:
    """Return time and features of one entity's bars since an instant, the newest version of each."""
    rows = scan_since(seen.layout, view, since).filter(
        (pl.col(view.entity) == entity) & (pl.col(EVENT_TIME) > since) & (pl.col(EVENT_TIME) <= seen.now)
    )
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in names]
    return keep_newest(rows, view).select(EVENT_TIME, *finite).collect()


def _read_closed(seen: Inputs, pair: Pair, since: datetime) -> list[PositionRecord]:
    return [
        record
        for record in seen.journal.closed_positions()
        if record.position.pair == pair and record.close is not None and record.close.closed_at >= since
    ]


def _list_trades(record: PositionRecord) -> list[SeriesTrade]:
    position, close = record.position, record.close
    name = position.position_id
    side = "long" if position.direction > 0 else "short"
    entry = SeriesTrade(
        position_id=name, at=position.opened_at, kind="entry", z=position.entry_z, reason=f"{side} the spread"
    )
    if close is None:
        return [entry]
    leaving = SeriesTrade(
        position_id=name, at=close.closed_at, kind="exit", z=position.last_z, reason=str(close.exit_reason)
    )
    return [entry, leaving]


def _view_levels(record: PositionRecord) -> OpenLevels:
    leg = record.position.legs[0]
    return OpenLevels(
        position_id=record.position.position_id, asset=leg.asset, stop=leg.stop_price, target=leg.target_price
    )
