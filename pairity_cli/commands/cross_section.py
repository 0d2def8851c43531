"""`pairity cross-section`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity.names import IDENTIFIER
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.parameters import Name
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    import polars as pl

    from pairity.number_formats import Figure

_PERCENT = frozenset({"momentum_1h", "momentum_24h", "momentum_168h"})
_TITLES = {
    "relative_volume": "volume / mean",
    "momentum_1h": "1 h",
    "momentum_24h": "24 h",
    "momentum_168h": "168 h",
    "funding_pressure": "funding − median, bps",
    "turnover_ratio": "volume / own 24 h",
    "volatility_regime": "vol / own 168 h",
    "price_efficiency": "vol / ATR",
}


@click.command("cross-section")
@click.option(
    "--at",
    "instant",
    metavar="INSTANT",
    help="The hour's close: ISO time or age; by default the newest that is stored.",
)
@click.option("--universe", type=Name(IDENTIFIER), help="The members of this stored universe at that hour alone.")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="How many assets are shown.")
@reports_errors
@prints_tables()
def cross_section(instant: str | None, universe: str | None, top: int) -> None:
    """One hour of all assets side by side, as known then, most traded first: table, CSV and Parquet of all of them."""
    from feature_repo.universes import read_universe
    from pairity.layout import Layout
    from pairity.number_formats import format_count
    from pairity.timeline import HOUR, floor_to, parse_instant
    from training.cross_section import find_newest_hour, read_cross_section, write_cross_section
    from venue.clock import SystemClock

    settings, now = settings_from(), SystemClock().now()
    members = None if universe is None else read_universe(Layout.of(settings), universe)
    if instant is None:
        hour = find_newest_hour(settings, now)
    else:
        hour = floor_to(parse_instant(instant, now=now, name="--at"), HOUR)
    rows = read_cross_section(settings, hour, members)
    _show(rows, f"cross-section at {hour:%Y-%m-%d %H:%M} UTC, {format_count(rows.height, 'asset')}", top)
    for path in write_cross_section(Layout.of(settings), rows, hour, universe):
        echo(path)


def _show(rows: pl.DataFrame, title: str, top: int) -> None:
    from pairity_cli.tables import print_line, print_table

    ordered = rows.sort("relative_volume", "asset", descending=[True, False], nulls_last=True).head(top)
    lines = [(row["asset"], *(_write(name, row[name]) for name in _TITLES)) for row in ordered.iter_rows(named=True)]
    print_line(title)
    print_table(("asset", *_TITLES.values()), lines)
    print_line(
        "units: 1 h, 24 h and 168 h are returns in %; funding − median in bps of notional per hour; all others are "
        "ratios, 1 being the mean of all assets (volume / mean) or the asset's own (24 h, 168 h, ATR)"
    )
    if rows.height > len(lines):
        print_line(f"and {rows.height - len(lines):,} more in the files")


def _write(name: str, value: float | None) -> Figure:
    from pairity.number_formats import format_fixed, format_percent

    if name in _PERCENT:
        return format_percent(value, signed=True)
    return format_fixed(1e4 * value if name == "funding_pressure" and value is not None else value, 2)
