"""The `touch` label: does the spread come back within the horizon?"""

from __future__ import annotations

import math

import polars as pl

from feature_repo.transforms.grid import EVENT, drop_unobserved, with_hour_grid
from pairity.settings import LabelSettings
from pairity.timeline import HOUR

MIN_SHARE = 0.9
"""Share of a horizon's hours that must have a row for the label to be known."""


def label_touch(pairs: pl.DataFrame, settings: LabelSettings) -> pl.DataFrame:
    """Label each row by whether the spread comes back by `target` within the next H = `horizon_bars` hours.

    Source: docs/formulas.md, Touch. `pairs`: pair_id, event_timestamp, spread (price of base / price of quote),
    z_score; one row per pair and hour. Returns pair_id, event_timestamp, label (Int8), t0, t1.

    With z > z_entry the label is 1 if the minimum of the spread over the next H hours is below spread·(1 − target);
    with z < −z_entry, if their maximum is above spread·(1 + target). Otherwise it is 0.

    Null where z or the spread is unknown, where the horizon's last hour t1 has no row, or where fewer than 90% of its
    hours have one. A hole inside the horizon is passed over. A label depends on the pair's rows in [t0, t1] alone:
    nothing later changes it.

    **Looks ahead**: the label of t0 is known at t1 = t0 + H hours only; splits purge by that interval.
    """
    horizon = settings.horizon_bars
    needed = math.ceil(MIN_SHARE * horizon)
    spread, z = pl.col("spread"), pl.col("z_score")
    lowest, highest = (_look_ahead(spread, horizon, needed, how) for how in ("min", "max"))
    complete = spread.is_not_null().shift(-horizon).over("pair_id").fill_null(False)
    hit = (
        pl.when(z > settings.z_entry)
        .then(lowest < spread * (1.0 - settings.target))
        .when(z < -settings.z_entry)
        .then(highest > spread * (1.0 + settings.target))
        .otherwise(False)
    )
    known = complete & z.is_not_null() & spread.is_not_null() & lowest.is_not_null()
    grid = with_hour_grid(pairs.lazy().select("pair_id", EVENT, "spread", "z_score"), "pair_id")
    labelled = grid.with_columns(
        pl.when(known).then(hit.cast(pl.Int8)).alias("label"),
        pl.col(EVENT).alias("t0"),
        (pl.col(EVENT) + horizon * HOUR).alias("t1"),
    )
    return drop_unobserved(labelled).select("pair_id", EVENT, "label", "t0", "t1").collect()


def _look_ahead(spread: pl.Expr, horizon: int, needed: int, how: str) -> pl.Expr:
    """Return the extreme over the hours t+1 … t+H: a trailing window, read H hours later."""
    rolled = getattr(spread, f"rolling_{how}")(horizon, min_samples=needed)
    extreme: pl.Expr = rolled.shift(-horizon).over("pair_id")
    return extreme
