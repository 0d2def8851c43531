"""The final data set: rows of views side by side as they were known at each decision, whole or split by time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_HOURLY, View, find_view
from feature_repo.offline_files import keep_newest, scan_view
from pairity.errors import ConfigError, MissingDataError, TimeRangeError
from pairity.layout import Layout
from pairity.settings import Settings
from training.data.point_in_time import DECISION_TIME, KNOWN, Join, read_decided_rows
from training.data.splits import look_ahead_until
from training.data.training_sets import label_decisions
from training.data.unit_check import require_one_unit

MOST_CELLS = 2_000_000_000
"""Rows times columns above which nothing is written: sixteen gigabytes of numbers."""
_PARTS = {0: ("data",), 1: ("train", "test"), 2: ("train", "valid", "test")}
_PAIR_ID, _ASSET = PAIR_HOURLY.entity, "asset"


@dataclass(frozen=True, slots=True)
class Exported:
    """Data set by part: `data` alone, or `train`, (`valid`,) `test`."""

    parts: Mapping[str, pl.DataFrame]
    purged: int
    """Rows left out because their label's horizon reaches into the next part; 0 without labels."""


def find_views(names: Sequence[str]) -> tuple[View, ...]:
    """Return the views of those names; ConfigError for none and for one named twice, UnknownNameError for others."""
    if not names:
        raise ConfigError("no view is named", "name one or more, such as pair_hourly")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ConfigError(f"{twice[0]} is named twice", "name each view once")
    return tuple(map(find_view, names))


def check_boundaries(boundaries: Sequence[datetime]) -> None:
    """Raise ConfigError for more than two boundaries, and TimeRangeError where they do not ascend."""
    if len(boundaries) not in _PARTS:
        raise ConfigError(
            f"{len(boundaries)} boundaries split the data into {len(boundaries) + 1} parts",
            "give one (train and test) or two (train, valid and test)",
        )
    if list(boundaries) != sorted(set(boundaries)):
        raise TimeRangeError(
            "the boundaries do not ascend: " + ", ".join(f"{at:%Y-%m-%d %H:%M} UTC" for at in boundaries),
            "give the earlier first",
        )


def collect_rows(
    settings: Settings, views: Sequence[View], now: datetime, within: tuple[datetime, datetime]
) -> pl.DataFrame:
    """Return the features of `views` beside each other, as known at each decision.

    A row per pair of the universe (where a view of pairs is among `views`) or asset, and bar close in `within` (both
    included) at which the first view of that entity has a row; sorted by time and entity. Columns: the entity,
    event_timestamp, decision_time (the close plus `features.decision_lag`), known (whether the first view's row was
    known by then), and the features in the order of the views.

    A value is of the very bar, in the version known at the decision, else null: nothing is carried forward. Names that
    several views have are written VIEW__NAME; beside pairs, features of assets are written base__NAME and quote__NAME.
    MissingDataError where there is no row, ConfigError for more than MOST_CELLS values.
    """
    entity = _PAIR_ID if any(view.entity == _PAIR_ID for view in views) else _ASSET
    first = next(view for view in views if view.entity == entity)
    spine = _read_spine(settings, first, now, within)
    width = sum(len(view.features) * (2 if view.entity != entity else 1) for view in views)
    if spine.height * width > MOST_CELLS:
        raise ConfigError(
            f"{spine.height:,} rows of {width} features are more than can be written at once",
            "name fewer views, or a shorter range",
        )
    taken = Counter(name for view in views for name in view.feature_names)
    rows = spine
    for view in views:
        names = {name: name if taken[name] == 1 else f"{view.name}__{name}" for name in view.feature_names}
        known = _read_known(settings, view, now, within)
        if view.entity == entity:
            own = _rename(known, entity, names, "")
            rows = rows.join(own, on=[entity, EVENT_TIME], how="left", maintain_order="left")
            continue
        for side in ("base", "quote"):
            own = _rename(known.rename({_ASSET: f"__{side}"}), f"__{side}", names, f"{side}__")
            rows = rows.join(own, on=[f"__{side}", EVENT_TIME], how="left", maintain_order="left")
    return rows.select(pl.exclude("^__.*$"))


def split_rows(rows: pl.DataFrame, boundaries: Sequence[datetime], *, horizon_bars: int) -> Exported:
    """Split by event_timestamp: a row at a boundary belongs to the later part.

    With labels (t0, t1) rows are purged whose horizon of `horizon_bars` hours ends at or after the boundary that ends
    their part, however early their label was known: they may have seen what the next part tests. MissingDataError
    where a part would be empty.
    """
    check_boundaries(boundaries)
    parts, purged, edges = {}, 0, [None, *boundaries, None]
    for number, name in enumerate(_PARTS[len(boundaries)]):
        since, until = edges[number], edges[number + 1]
        own = rows
        if since is not None:
            own = own.filter(pl.col(EVENT_TIME) >= since)
        if until is not None:
            own = own.filter(pl.col(EVENT_TIME) < until)
            ahead = (look_ahead_until(horizon_bars) < until).fill_null(True)
            kept = own.filter(ahead) if "t1" in own.columns else own
            purged += own.height - kept.height
            own = kept
        if own.is_empty():
            first, last = (f"{at:%Y-%m-%d %H:%M}" for at in rows[EVENT_TIME].sort().gather([0, -1]))
            raise MissingDataError(f"{name} would have no row", f"rows reach from {first} to {last} UTC")
        parts[name] = own
    return Exported(parts, purged)


def add_labels(settings: Settings, rows: pl.DataFrame, join: Join, now: datetime) -> pl.DataFrame:
    """Return rows of pairs with label, t0 and t1 of `settings.label` (and net_return of a triple barrier).

    **Looks ahead**: labels come from what followed, also after the last row, as known at `now`; null where that is not
    complete. ConfigError for rows of assets, MissingDataError for features in a unit of before a redenomination.
    """
    if _PAIR_ID not in rows.columns:
        raise ConfigError("labels are of pairs, and no view of pairs is exported", f"name {PAIR_HOURLY.name} too")
    require_one_unit(settings)
    first = rows[EVENT_TIME].min()
    assert isinstance(first, datetime)
    within = first, now
    key = [_PAIR_ID, EVENT_TIME]
    published = read_decided_rows(settings, PAIR_HOURLY, _list_entities(settings, PAIR_HOURLY), now, within)
    known = _read_known(settings, PAIR_HOURLY, now, within)
    seen = published.select(key).sort(EVENT_TIME, _PAIR_ID).join(known, on=key, how="left", maintain_order="left")
    labels = label_decisions(settings, seen, published, join, now)
    return rows.join(labels, on=key, how="left", maintain_order="left")


def _read_spine(settings: Settings, view: View, now: datetime, within: tuple[datetime, datetime]) -> pl.DataFrame:
    stored = read_decided_rows(settings, view, _list_entities(settings, view), now, within)
    if stored.is_empty():
        raise MissingDataError(
            f"{view.name} has no row of the universe from {within[0]:%Y-%m-%d %H:%M} to {within[1]:%Y-%m-%d %H:%M} UTC",
            "give another range, or run `pairity features`",
        )
    at = pl.col(EVENT_TIME) + settings.features.decision_lag
    spine = stored.select(view.entity, EVENT_TIME, at.alias(DECISION_TIME), (pl.col("first_known") <= at).alias(KNOWN))
    if view.entity == _PAIR_ID:
        halves = pl.col(_PAIR_ID).str.split("__")
        spine = spine.with_columns(halves.list.first().alias("__base"), halves.list.last().alias("__quote"))
    return spine.sort(EVENT_TIME, view.entity)


def _read_known(settings: Settings, view: View, now: datetime, within: tuple[datetime, datetime]) -> pl.DataFrame:
    """Return the version of each row that was known at its decision, NaN as null; rows that came later are left out."""
    own = pl.col(view.entity).is_in(_list_entities(settings, view)) & pl.col(EVENT_TIME).is_between(*within)
    in_time = pl.col(CREATED_TIME) <= pl.col(EVENT_TIME) + settings.features.decision_lag
    stored = scan_view(Layout.of(settings), view).filter(own & in_time & (pl.col(CREATED_TIME) <= now))
    return keep_newest(stored, view).drop(CREATED_TIME).with_columns(pl.selectors.float().fill_nan(None)).collect()


def _rename(rows: pl.DataFrame, entity: str, names: Mapping[str, str], prefix: str) -> pl.DataFrame:
    return rows.select(entity, EVENT_TIME, *(pl.col(old).alias(f"{prefix}{new}") for old, new in names.items()))


def _list_entities(settings: Settings, view: View) -> list[str]:
    universe = settings.universe
    return [pair.pair_id for pair in universe.pairs] if view.entity == _PAIR_ID else list(universe.assets)
