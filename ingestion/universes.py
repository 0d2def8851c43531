"""Universes: the swaps of a venue by trailing notional and age at each date, or what an exchange listed on a day.

Source of the dynamic rule: docs/formulas.md, Universe.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from feature_repo.raw_datasets import CANDLES, DATASETS, KNOWN_AT
from feature_repo.transforms.hours import sum_by_key
from feature_repo.universes import make_snapshot
from ingestion.hour_versions import make_hour_versions, select_known
from ingestion.lake import Lake
from ingestion.lake.partitions import Partition
from ingestion.sources.tiingo import TICKERS_PER_CALL, Tiingo
from pairity.errors import MissingDataError, UnknownNameError
from pairity.names import ASSET, EXCHANGE_CODE
from pairity.progress import Progress
from pairity.timeline import DAY, HOUR, ceil_to, floor_to
from pairity.universe import short_name


@dataclass(frozen=True, slots=True)
class TrailingRule:
    """Which instruments belong to a dynamic universe: the `top` by mean notional, of those that are old enough."""

    top: int
    window_hours: int = 720
    """Hours over which close · volume is averaged; an hour without a bar counts as nothing traded."""
    min_bars: int = 2160
    """Least number of hourly bars so far."""
    every_days: int = 1
    """Days from one snapshot to the next."""
    dead_after_hours: int = 24
    """Hours in a row without a trade and without a move of the close after which a contract is dead, and no member."""


def build_trailing_universe(
    lake: Lake, since: datetime | None, until: datetime, rule: TrailingRule, lag: timedelta, progress: Progress
) -> pl.DataFrame:
    """Return the snapshots (columns of `universes.SCHEMA`) of every `every_days`-th midnight from `since` to `until`.

    Every instrument that the lake has of the venue is a candidate, whether or not it still trades. A snapshot at t uses
    bars that closed by t and were known by t + `lag`, each as it was known then; an instrument without a bar in the 24
    hours before t is gone, and a dead contract is no member. `since` None begins with the first snapshot that has a
    member; so do all, because there was no universe before. MissingDataError where nothing qualifies at any date.
    """
    parts = _list_candles(lake)
    progress.stage("universe", len(parts))
    frames, ready = [], {}
    for asset, own in sorted(parts.items()):
        versions = make_hour_versions(*(_read(lake, own, name) for name in CANDLES))
        frames.append(versions.select(pl.lit(asset).alias("asset"), pl.all()))
        first_known = versions.group_by("bar_close").agg(pl.col(KNOWN_AT).min())
        ready[asset] = np.sort(first_known[KNOWN_AT].to_physical().to_numpy())
        progress.advance(note=asset)
    if not frames:
        raise MissingDataError(
            f"the lake holds no candles of venue {lake.venue!r}",
            "ingest or collect them, or name another venue with --from",
        )
    versions = pl.concat(frames).sort("bar_close", maintain_order=True)
    begin = ceil_to(since or versions["bar_close"][0], DAY)
    snapshots: list[pl.DataFrame] = []
    for number in range(max(0, (floor_to(until, DAY) - begin) // (rule.every_days * DAY) + 1)):
        at = begin + number * rule.every_days * DAY
        snapshot = make_snapshot(lake.venue, at, _rank(versions, ready, at, at + lag, rule))
        if snapshots or snapshot["asset"][0] is not None:
            snapshots.append(snapshot)
    if not snapshots:
        raise MissingDataError(
            f"no instrument of {lake.venue} has {rule.min_bars:,} hourly bars at any date up to {until:%Y-%m-%d}",
            "ingest more history, or ask for less with --min-bars",
        )
    return pl.concat(snapshots)


def build_exchange_universe(
    tiingo: Tiingo, day: datetime, progress: Progress
) -> tuple[pl.DataFrame, dict[str, tuple[str, ...]]]:
    """Return the snapshot of the coins that Tiingo's exchange had against its quote on `day`, and the whole map.

    The map gives each ticker's exchanges on that day. All of that is known when the day is over: the snapshot holds
    from the next midnight (UTC) on. Tickers whose coin is no name of an asset are in the map alone. UnknownNameError
    where the exchange had no ticker; VenueError where Tiingo does not answer, or not as it promises.
    """
    tickers = tiingo.tickers()
    progress.stage("universe", len(tickers))
    where: dict[str, tuple[str, ...]] = {}
    for start in range(0, len(tickers), TICKERS_PER_CALL):
        asked = tickers[start : start + TICKERS_PER_CALL]
        found = tiingo.exchange_map(asked, day)
        where |= {ticker: tuple(filter(EXCHANGE_CODE.accepts, codes)) for ticker, codes in found.items()}
        progress.advance(len(asked))
    code = tiingo.exchange.upper()
    if not any(where.values()):
        raise MissingDataError(
            f"no exchange had a price of any coin against {tiingo.quote} on {day:%Y-%m-%d}: Tiingo's map has "
            f"{len(tickers):,} such tickers",
            "choose another day or quote currency",
        )
    if not any(code in codes for codes in where.values()):
        raise UnknownNameError(f"exchange with {tiingo.quote} on {day:%Y-%m-%d}", code, set().union(*where.values()))
    coins = {ticker: ticker.removesuffix(tiingo.quote).upper() for ticker in tickers if code in where[ticker]}
    members = [(coin, None, None, " ".join(where[ticker])) for ticker, coin in coins.items() if ASSET.accepts(coin)]
    source = f"tiingo:{code}:{tiingo.quote}"
    return make_snapshot(source, day + DAY, sorted(members)), where


def _list_candles(lake: Lake) -> dict[str, dict[str, list[Partition]]]:
    """Return the partitions of candles by asset and dataset, months in order."""
    found: dict[str, dict[str, list[Partition]]] = defaultdict(lambda: defaultdict(list))
    for part in sorted(lake.contents()):
        if part.dataset in CANDLES:
            found[short_name(part.instrument)][part.dataset].append(part)
    return found


def _read(lake: Lake, parts: dict[str, list[Partition]], name: str) -> pl.DataFrame:
    columns = ("open_time", KNOWN_AT, "close", "volume")
    frames = [lake.versions(part).select(columns) for part in parts.get(name, ())]
    return pl.concat([DATASETS[name].empty().select(columns), *frames])


def _rank(
    versions: pl.DataFrame, ready: dict[str, np.ndarray], at: datetime, known_by: datetime, rule: TrailingRule
) -> list[tuple[str, float | None, int | None, str | None]]:
    closes = versions["bar_close"]
    # The newest bar of a member is a day old at most, and its last still hours lie before it.
    bounds = pl.Series([at - max(rule.window_hours, 25 + rule.dead_after_hours) * HOUR, at], dtype=closes.dtype)
    first, last = closes.search_sorted(bounds, side="right")
    recent = select_known(versions[first:last], known_by).sort("asset", "bar_close")
    alive = set(recent.filter(pl.col("bar_close") > at - DAY)["asset"].unique()) - _find_dead(recent, rule)
    window = recent.filter(pl.col("bar_close") > at - rule.window_hours * HOUR)
    sums = sum_by_key(window.lazy(), ("asset",), ("notional",)).collect()
    instant = pl.Series([known_by], dtype=versions.schema[KNOWN_AT]).to_physical()[0]
    members: list[tuple[str, float, int]] = []
    for asset, total in sums.select("asset", "notional").iter_rows():
        age = int(np.searchsorted(ready[asset], instant, side="right"))
        if asset in alive and age >= rule.min_bars:
            members.append((asset, total / rule.window_hours, age))
    best = sorted(members, key=lambda member: (-member[1], member[0]))[: rule.top]
    return [(*member, None) for member in best]


def _find_dead(recent: pl.DataFrame, rule: TrailingRule) -> set[str]:
    """Return the assets whose newest `dead_after_hours` bars, without a hole, have no trade and the close before them.

    `recent`: asset, bar_close, notional, close, sorted by asset and time.
    """
    since = pl.col("bar_close").max().over("asset") - (rule.dead_after_hours + 1) * HOUR
    newest = recent.filter(pl.col("bar_close") > since)
    quiet = newest.group_by("asset").agg(
        pl.len().alias("bars"),
        (pl.col("notional").slice(1) == 0).all().alias("untraded"),
        (pl.col("close") == pl.col("close").first()).all().alias("flat"),
    )
    whole = pl.col("bars") == rule.dead_after_hours + 1
    return set(quiet.filter(whole & pl.col("untraded") & pl.col("flat"))["asset"])
