"""All pairs of the universe at one instant: what each is made of, how it moves, why it is left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, CREATED_TIME, EVENT_TIME, PAIR_HOURLY
from feature_repo.offline_files import keep_newest, scan_view
from feature_repo.pair_metadata import describe_pairs
from feature_repo.transforms.pairs import count_aligned_bars
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.settings import Settings
from pairity.universe import inst_id

MEASURES = ("correlation_168h", "hedge_ratio", "half_life_h", "z_score", "spread")
"""Features of `pair_hourly` that the overview shows."""


@dataclass(frozen=True, slots=True)
class PairOverview:
    """Pairs and correlations as known at one instant."""

    bar: datetime
    """Close of the newest bar that at least half of the assets have: everything is as of it."""
    pairs: pl.DataFrame
    """One row per pair in universe order: the columns of `pair_metadata.SCHEMA` and MEASURES. `is_direct`,
    `is_inverted` and `exchange_symbol` are null where nobody knows what the venue lists; measures are null where the
    pair has no features at `bar`, and `left_out` says why."""
    correlations: pl.DataFrame
    """asset, then one column per asset of the pairs: Pearson correlation of hourly returns over the window of
    `features.correlation_window_bars` at `bar`; 1 on the diagonal of assets with bars, null where not known."""


def overview_pairs(settings: Settings, at: datetime, listed: Iterable[str] | None) -> PairOverview:
    """Return the pairs as published and known at `at`; `listed`: ids of all instruments of the venue, None: not known.

    Only rows that were known at `at` count, in the version known then. MissingDataError where no bar was.
    """
    layout, universe = Layout.of(settings), settings.universe
    known = (pl.col(CREATED_TIME) <= at) & (pl.col(EVENT_TIME) <= at)
    bars = keep_newest(
        scan_view(layout, ASSET_HOURLY)
        .filter(known & pl.col("asset").is_in(universe.assets))
        .select("asset", EVENT_TIME, CREATED_TIME),
        ASSET_HOURLY,
    ).collect()
    bar = _find_common_bar(bars)
    if bar is None:
        raise MissingDataError(
            f"no bar of any of {format_count(len(universe.assets), 'asset')} is known at {at:%Y-%m-%d %H:%M} UTC",
            "run `pairity ingest`, or `pairity collect` and `pairity features`",
        )
    coverage = count_aligned_bars(bars.lazy(), universe.pairs)
    ids = [inst_id(asset) for asset in universe.assets] if listed is None else list(listed)
    described = describe_pairs(universe.pairs, ids, coverage, min_aligned_bars=universe.min_aligned_bars)
    if listed is None:
        described = described.with_columns(
            pl.lit(None, described.schema[name]).alias(name) for name in ("is_direct", "is_inverted", "exchange_symbol")
        )
    newest = keep_newest(scan_view(layout, PAIR_HOURLY).filter(known & (pl.col(EVENT_TIME) == bar)), PAIR_HOURLY)
    measured = newest.select("pair_id", *MEASURES).collect()
    pairs = described.join(measured, on="pair_id", how="left", maintain_order="left")
    absent = pl.lit(f"no features at the bar that closed at {bar:%Y-%m-%d %H:%M} UTC")
    pairs = pairs.with_columns(
        pl.coalesce("left_out", pl.when(pl.col("spread").is_null()).then(absent)).alias("left_out")
    )
    present = set(bars.filter(pl.col(EVENT_TIME) == bar)["asset"])
    return PairOverview(bar=bar, pairs=pairs, correlations=_tabulate(settings, pairs, present))


def _find_common_bar(bars: pl.DataFrame) -> datetime | None:
    """Return the newest bar that at least half of the assets have: one asset that goes on alone has no pair."""
    least = bars["asset"].n_unique() / 2
    common = bars.group_by(EVENT_TIME).len().filter(pl.col("len") >= least)[EVENT_TIME].max()
    return common if isinstance(common, datetime) else None


def _tabulate(settings: Settings, pairs: pl.DataFrame, present: set[str]) -> pl.DataFrame:
    """Return the matrix of correlations: symmetric, by the order of the universe."""
    assets = settings.universe.traded
    values: dict[tuple[str, str], float | None] = {(name, name): 1.0 for name in assets if name in present}
    for base, quote, value in pairs.select("base", "quote", "correlation_168h").iter_rows():
        values[base, quote] = values[quote, base] = value
    rows = [(name, *(values.get((name, other)) for other in assets)) for name in assets]
    return pl.DataFrame(rows, schema={"asset": pl.String, **dict.fromkeys(assets, pl.Float64)}, orient="row")
