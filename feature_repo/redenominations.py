"""Redenominations of instruments: from which instant a venue counts one in other coins, and by which factor.

The lake keeps what the venue gave. What is read of it for features, labels and comparisons is expressed in the newest
unit: prices before a redenomination are multiplied by its factor, amounts in coins by one over it. Returns and money
stay what they were. One JSON file per venue, `reference/redenominations-VENUE.json`, to which entries are only added.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import RawDataset, instant
from pairity.bounded_files import read_json_file
from pairity.digest import digest_bytes
from pairity.durable import replace_file
from pairity.errors import ConfigError, LakeCorruptError
from pairity.layout import Layout
from pairity.names import ASSET, VENUE
from pairity.number_formats import format_plain
from pairity.timeline import MINUTE, floor_to, month_start

LARGEST_FACTOR = 1e9
"""Largest factor, and one over it the smallest."""
PRICES = frozenset({"open", "high", "low", "close", "bid_price", "ask_price"})
"""Values in USDT a coin."""
COINS = frozenset(
    {
        *("volume", "taker_buy_volume", "buy_volume", "sell_volume", "open_interest"),
        *("bid_size", "ask_size", "bid_size_20", "ask_size_20"),
    }
)
"""Values in coins of the contract. `inflow` is none of them: it counts coins on their chain."""
_FIRST = datetime.fromisoformat("2009-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Redenomination:
    """From `at` on the venue counts `asset` in other coins: one is worth `factor` of those before."""

    asset: str
    at: datetime
    factor: float
    stored_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Units:
    """The redenominations of one venue that are in force, by asset and instant; without any, rows stay as they are."""

    steps: tuple[Redenomination, ...] = ()

    def factor(self, asset: pl.Expr, time: str, *, inverse: bool = False, closes: bool = False) -> pl.Expr:
        """Return what prices of a row with that asset and time are multiplied by: float64, 1 in the newest unit.

        `inverse`: what amounts in coins are multiplied by. `closes`: the time is a bar's close, not its open.
        """
        product = pl.lit(1.0)
        for step in self.steps:
            at = instant(step.at)
            is_before = (asset == step.asset) & ((pl.col(time) <= at) if closes else (pl.col(time) < at))
            by = 1.0 / step.factor if inverse else step.factor
            product = product * pl.when(is_before).then(by).otherwise(1.0)
        return product

    def express(self, kind: RawDataset, rows: pl.LazyFrame, asset: str | None = None) -> pl.LazyFrame:
        """Return rows of a dataset in the newest unit; of one `asset` where they have no column of that name.

        A value that is null stays null.
        """
        names = [name for name in kind.values if name in PRICES | COINS]
        own = [step for step in self.steps if asset in (None, step.asset)]
        if not names or not own:
            return rows
        of, units = pl.col("asset") if asset is None else pl.lit(asset), Units(tuple(own))
        # Multiplied, never divided: Polars divides one row and many in different ways (`transforms.division`).
        factors = {inverse: units.factor(of, kind.time, inverse=inverse) for inverse in (False, True)}
        return rows.with_columns(pl.col(name) * factors[name in COINS] for name in names)

    def list_inputs(self, assets: Sequence[str]) -> tuple[tuple[datetime, str, str], ...]:
        """Return month, name and digest of each step of `assets`: part of what all features before it are made of."""
        return tuple(
            (month_start(step.at), f"unit/{step.asset}/{step.at.isoformat()}", digest_bytes(repr(step.factor).encode()))
            for step in self.steps
            if step.asset in assets
        )


NO_CHANGES = Units()


def read_units(layout: Layout, venue: str) -> Units:
    """Return what is in force: of each asset and instant the newest entry, unless its factor is 1."""
    return units_of(read_redenominations(layout, venue))


def units_of(entries: Sequence[Redenomination]) -> Units:
    """Return what is in force of `entries`, oldest first: of each asset and instant the newest, unless it is 1."""
    newest = {(entry.asset, entry.at): entry for entry in entries}
    return Units(tuple(newest[key] for key in sorted(newest) if newest[key].factor != 1))


def read_redenominations(layout: Layout, venue: str) -> tuple[Redenomination, ...]:
    """Return all entries of a venue, oldest first; LakeCorruptError for a file that is not what was written."""
    path = _locate(layout, venue)
    try:
        return tuple(_parse(item) for item in read_json_file(path))
    except FileNotFoundError:
        return ()
    except (LookupError, TypeError, ValueError, AttributeError, ConfigError) as error:
        what = f"{path} cannot be read: {type(error).__name__} {error}"
        # Going on without it would compute prices of two units side by side.
        raise LakeCorruptError(what, "delete it, and store its factors again with pairity redenominate") from None


def store_redenomination(layout: Layout, venue: str, entry: Redenomination) -> bool:
    """Add an entry; return whether it is new. The caller has the writer lock.

    A factor of 1 withdraws the one of the same asset and instant. ConfigError for what cannot be right: `check_entry`.
    """
    check_entry(entry)
    entries = read_redenominations(layout, venue)
    newest = {(other.asset, other.at): other.factor for other in entries}
    if newest.get((entry.asset, entry.at), 1.0) == entry.factor:
        return False
    lines = [
        {
            "asset": item.asset,
            "at": item.at.isoformat(),
            "factor": item.factor,
            "stored_at": item.stored_at.isoformat(),
            "reason": item.reason,
        }
        for item in (*entries, entry)
    ]
    replace_file(_locate(layout, venue), (json.dumps(lines, indent=1) + "\n").encode())
    return True


def check_entry(entry: Redenomination) -> None:
    """Raise ConfigError for a factor or an instant that cannot be right.

    The instant is a whole minute between 2009 and `stored_at`: nobody knows a unit before its first day.
    """
    if not (math.isfinite(entry.factor) and 1 / LARGEST_FACTOR <= entry.factor <= LARGEST_FACTOR):
        raise ConfigError(
            f"factor {format_plain(entry.factor)} is not between {format_plain(1 / LARGEST_FACTOR)} and "
            f"{format_plain(LARGEST_FACTOR)}",
            "give the price after divided by the price before",
        )
    if not _FIRST <= entry.at <= entry.stored_at or floor_to(entry.at, MINUTE) != entry.at:
        raise ConfigError(
            f"{entry.at.isoformat()} is no whole minute between 2009 and now",
            "give the first instant of the new unit, such as 2025-03-21T08:00; it must be over",
        )


def _parse(item: dict[str, object]) -> Redenomination:
    at, stored_at = (datetime.fromisoformat(str(item[name])) for name in ("at", "stored_at"))
    entry = Redenomination(
        asset=ASSET.check(str(item["asset"])),
        at=at,
        factor=float(str(item["factor"])),
        stored_at=stored_at,
        reason=str(item["reason"]),
    )
    check_entry(entry)
    return entry


def _locate(layout: Layout, venue: str) -> Path:
    return layout.root / "reference" / f"redenominations-{VENUE.check(venue)}.json"
