"""Storing the factor of a redenomination, and releasing the rows that were withheld for want of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_repo.raw_datasets import BAR_SOURCES, DATASETS
from feature_repo.redenominations import Redenomination, Units, check_entry, read_units, store_redenomination
from ingestion.closes_before import CloseCarrier
from ingestion.known_from import KnownFrom
from ingestion.lake import Lake
from ingestion.published import publishing
from ingestion.quarantine_actions import ActionOutcome, release
from ingestion.withheld import WithheldRows, quarantine_venue
from pairity.errors import ConfigError, UnknownNameError
from pairity.layout import Layout
from pairity.names import check_note
from pairity.number_formats import format_plain, format_price
from pairity.settings import Settings
from pairity.universe import short_name
from validation.quarantine import QuarantineItem, read_items
from validation.row_verdicts import BROKEN
from validation.sequence_rules import (
    MAX_ABS_LOG_RETURN,
    find_longest_comparable_hole,
    keep_newest,
    mark_price_jumps,
)

_JUMP = "price_jump"
_FAR = timedelta(days=366)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Redenominated:
    """Whether the entry is new, the items whose rows were released, and those that stay withheld."""

    is_new: bool
    released: tuple[ActionOutcome, ...]
    kept: tuple[QuarantineItem, ...]


def redenominate(settings: Settings, venue: str, entry: Redenomination, known_from: KnownFrom = "now") -> Redenominated:
    """Store a factor, and release the rows of its asset that are no jump any more once it is known.

    They are known from `entry.stored_at` or, by choice, from then, as `quarantine_actions.release` has it. Rows that
    broke other rules too, or that are a jump still, stay withheld. A factor of 1 withdraws an earlier one of the same
    instant; rows that were released stay. UnknownNameError for an asset of which the venue has no rows; ConfigError for
    a reason that cannot be recorded, an instant that is no whole minute of the past, and a factor that does not lead
    from the last stored close before the instant to the first one from it on.
    """
    layout = Layout.of(settings)
    lake = Lake(layout, venue=venue)
    reason = check_note(entry.reason, "--reason")
    check_entry(entry)
    _require_stored(layout, lake, entry.asset)
    _require_fitting(layout, lake, entry)
    with publishing(lake, settings):
        is_new = store_redenomination(layout, venue, entry)
    released, kept = [], []
    for item in _list_jumps(layout, lake, entry.asset):
        if item.rules == (_JUMP,) and not _is_jump(layout, lake, item):
            said = f"redenominated by {format_plain(entry.factor)} from {entry.at:%Y-%m-%d %H:%M} UTC on: {reason}"
            released.append(release(settings, item.id, said, now=entry.stored_at, known_from=known_from))
        else:
            kept.append(item)
    return Redenominated(is_new, tuple(released), tuple(kept))


def _require_stored(layout: Layout, lake: Lake, asset: str) -> None:
    stored = {short_name(part.instrument) for part in lake.contents()}
    if asset not in stored | {item.entity for item in _list_jumps(layout, lake)}:
        raise UnknownNameError(f"asset of venue {lake.venue}", asset, sorted(stored))


def _list_jumps(layout: Layout, lake: Lake, asset: str | None = None) -> list[QuarantineItem]:
    """Return the items of the venue's raw rows that are withheld as jumps, oldest rows first."""
    venue = quarantine_venue(lake)
    found = [
        item
        for item in read_items(layout, state="held")
        if item.venue == venue and item.dataset in DATASETS and _JUMP in item.rules and asset in (None, item.entity)
    ]
    return sorted(found, key=lambda item: (item.dataset, item.key, item.id))


def _require_fitting(layout: Layout, lake: Lake, entry: Redenomination) -> None:
    """Refuse a factor that makes the jump larger than the market moves, or that turns it round."""
    if entry.factor == 1:
        return
    units = read_units(layout, lake.venue)
    others = Units(tuple(step for step in units.steps if (step.asset, step.at) != (entry.asset, entry.at)))
    for name in BAR_SOURCES:
        before, after = _find_closes(layout, lake, name, entry, others)
        if before is None or after is None:
            continue
        if abs(math.log(after / (before * entry.factor))) > MAX_ABS_LOG_RETURN:
            raise ConfigError(
                f"a factor of {format_plain(entry.factor)} does not fit {name} of {entry.asset}: its last close before "
                f"{entry.at:%Y-%m-%d %H:%M} UTC is {format_price(before)}, the first one after it "
                f"{format_price(after)}",
                "the factor is the price after divided by the price before, about "
                f"{format_plain(10.0 ** round(math.log10(after / before)))}; check the instant too",
            )


def _find_closes(
    layout: Layout, lake: Lake, name: str, entry: Redenomination, units: Units
) -> tuple[float | None, float | None]:
    """Return the last close before the instant and the first one from it on, stored or withheld as jumps."""
    kind = DATASETS[name]
    since, until = entry.at - _FAR, entry.at + _FAR
    columns = ["asset", kind.time, "close"]
    stored = lake.scan(name, [entry.asset], since, until).select(columns).collect()
    withheld = [
        _rows_of(item).select(columns) for item in _list_jumps(layout, lake, entry.asset) if item.dataset == name
    ]
    rows = units.express(kind, pl.concat([stored, *withheld]).lazy()).collect()
    usable = rows.filter(pl.col("close").is_finite() & (pl.col("close") > 0)).sort(kind.time)
    is_before = pl.col(kind.time) < entry.at
    before, after = usable.filter(is_before)["close"], usable.filter(~is_before)["close"]
    return (float(before[-1]) if len(before) else None), (float(after[0]) if len(after) else None)


def _rows_of(item: QuarantineItem) -> pl.DataFrame:
    return item.read_rows().drop(BROKEN).select(pl.lit(item.entity).alias("asset"), pl.all())


def _is_jump(layout: Layout, lake: Lake, item: QuarantineItem) -> bool:
    """Return whether rows of an item lie on the wrong side of a jump among the stored rows around them, in one unit."""
    kind, own = DATASETS[item.dataset], _rows_of(item)
    hole = find_longest_comparable_hole(kind)
    first, last = own[kind.time].min(), own[kind.time].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    around = lake.scan(kind.name, [item.entity], first, last + hole + _TICK).collect()
    rows = pl.concat([around, own.select(around.columns)])
    before = WithheldRows.of(layout, lake)
    newest = keep_newest(rows, kind.time)
    closes = CloseCarrier(lake, before).find(kind, own)
    return bool(mark_price_jumps(rows, newest, kind, closes, before.units).tail(own.height).any())
