"""`pairity risk-factors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity.commands.context import reports_errors, settings_from

if TYPE_CHECKING:
    import polars as pl

_WARM_UP_DAYS = 2  # half a day of momentum, one of the exposure window, rounded to whole days


@click.command("risk-factors")
@click.option("--since", default="30d", show_default=True, help="First instant: ISO time, or an age such as 30d.")
@click.option("--until", default="now", show_default=True, help="End (exclusive): ISO time, age or now.")
@click.option("--assets", default="BTC,ETH,BNB,XRP", show_default=True, metavar="A,B,…", help="Whose exposures.")
@click.option("--design", type=click.Choice(["spreads4", "buckets10"]), default="spreads4", show_default=True)
@reports_errors
def risk_factors(since: str, until: str, assets: str, design: str) -> None:
    """Exposures to the systematic risk factors for every minute, with R² and adjusted R²: table, Parquet and plot.

    Factors are made of all assets of the universe with minutes in the lake; buckets of a day from the days before it.
    """
    from feature_repo.transforms.exposures import minute_exposures
    from ingestion.lake import Lake
    from pairity.errors import MissingDataError
    from pairity.layout import Layout
    from pairity.timeline import DAY, SystemClock, check_range, parse_instant
    from pairity.universe import select_instruments
    from training.reports.exposures import write_exposures

    settings = settings_from()
    now = SystemClock().now()
    first, end = parse_instant(since, now=now, name="--since"), parse_instant(until, now=now, name="--until")
    check_range(first, end)
    names = tuple(select_instruments(assets.split(","), settings.universe.assets))
    layout = Layout.of(settings)
    begin = first - (settings.features.risk_days + _WARM_UP_DAYS) * DAY
    minutes = Lake(layout).scan("candles_1m", settings.universe.assets, begin, end).collect()
    rows = minute_exposures(minutes, design, settings.features, names)
    rows = rows.filter(rows["time"] > first).drop_nulls("r2") if rows.height else rows
    if rows.is_empty():
        raise MissingDataError(
            f"no exposure of {', '.join(names)} can be computed from {first.isoformat()} to {end.isoformat()}: "
            f"the lake holds {minutes.height:,} minutes there",
            f"ingest minutes of at least three assets from {settings.features.risk_days + 1} days before on",
        )
    _show(rows)
    for path in write_exposures(layout, rows, design):
        click.echo(path)


def _show(rows: pl.DataFrame) -> None:
    import polars as pl

    from pairity.commands.tables import table

    factors = [name for name in rows.columns if name not in {"asset", "time", "r2", "adj_r2"}]
    means = rows.group_by("asset", maintain_order=True).agg(
        pl.len().alias("minutes"), *(pl.col(name).mean() for name in (*factors, "r2", "adj_r2"))
    )
    # One line per factor: eleven columns of numbers would not fit on a screen.
    named = means.rename({"r2": "R²", "adj_r2": "adj. R²"}).transpose(include_header=True, column_names="asset")
    assets = [name for name in named.columns if name != "column"]
    table(("mean over all minutes", *assets), named.iter_rows())
