"""`pairity risk-factors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity_cli.context import echo, reports_errors, say_note, settings_from
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from pairity.number_formats import Figure

_USUAL = ("BTC", "ETH", "BNB", "XRP")
"""Assets whose exposures are shown where none are named."""


@click.command("risk-factors")
@click.option(
    "--since",
    metavar="INSTANT",
    help="First instant: ISO time, or an age; by default what is stored, at most 4 million minutes.",
)
@click.option(
    "--until", metavar="INSTANT", default="now", show_default=True, help="End (exclusive): ISO time, age or now."
)
@click.option(
    "--assets",
    metavar="A,B,…",
    help=f"Whose exposures; by default those of {', '.join(_USUAL)} that the universe has, else its first "
    f"{len(_USUAL)}.",
)
@click.option("--design", type=click.Choice(["spreads4", "buckets10"]), default="spreads4", show_default=True)
@reports_errors
@prints_tables()
def risk_factors(since: str | None, until: str, assets: str | None, design: str) -> None:
    """Exposures to the systematic risk factors for every minute, with R² and adjusted R², and the factors' returns.

    Writes exposures (beside the asset's and the factors' returns) and factor returns as CSV and Parquet, and pictures
    of the exposures of each coin and of the cumulative returns. Factors are made of all assets of the universe with
    minutes in the lake (withheld rows are not used); the buckets of a day come from the days before it. The values at
    full hours are those of the view asset_exposures, to the bit; hourly factor returns are the view factor_returns.
    """
    from ingestion.minute_exposures import regress_minutes
    from pairity.layout import Layout
    from pairity.number_formats import format_count
    from pairity.timeline import check_range, parse_instant
    from pairity.universe import select_instruments
    from pairity_cli.tables import print_line
    from training.reports.exposures import write_exposures
    from training.reports.factor_returns import write_factor_returns
    from venue.clock import SystemClock

    settings = settings_from()
    now = SystemClock().now()
    first = None if since is None else parse_instant(since, now=now, name="--since")
    end = parse_instant(until, now=now, name="--until")
    if first is not None:
        check_range(first, end)
    held = settings.universe.assets
    names = _choose_usual(held) if assets is None else select_instruments(assets.split(","), held)
    study = regress_minutes(settings, first, end, names, design)
    if study.left_out_before is not None:
        say_note(f"minutes before {study.left_out_before:%Y-%m-%d %H:%M} UTC are left out; --since takes more of them")
    for asset, (begin, last) in study.dead.items():
        say_note(
            f"{asset} is left out from {begin:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC: a dead contract, which "
            "nobody traded (pairity anomalies)"
        )
    _show(study.exposures)
    if assets is None:
        print_line(
            f"exposures of {', '.join(names)}, of {format_count(len(held), 'asset')} of the universe: --assets "
            "names others"
        )
    print_line(
        "units: an exposure is the asset's return per return of the factor, over the "
        f"{settings.features.exposure_minutes:,} minutes before; const is a return per minute; R² from 0 to 1"
    )
    layout = Layout.of(settings)
    for path in (*write_exposures(layout, study.exposures, design), *write_factor_returns(layout, study.factors)):
        echo(path)


def _choose_usual(held: Sequence[str]) -> tuple[str, ...]:
    """Return whose exposures are shown where none are named, in universe order."""
    return tuple(name for name in held if name in _USUAL) or tuple(held[: len(_USUAL)])


def _show(rows: pl.DataFrame) -> None:
    import polars as pl

    from pairity_cli.tables import print_table

    rows = rows.select(pl.exclude("^return.*$"))
    last = rows.select(pl.col("time").max().dt.strftime("%Y-%m-%d %H:%M")).item()
    by_asset = rows.rename({"r2": "R²", "adj_r2": "adj. R²"}).group_by("asset", maintain_order=True)
    values = pl.exclude("asset", "time")
    for title, frame in (
        ("mean over all minutes", by_asset.agg(pl.len().alias("minutes"), values.mean())),
        (f"last, up to {last} UTC", by_asset.agg(values.last())),
    ):
        # One line per factor: eleven columns of numbers would not fit on a screen.
        named = frame.transpose(include_header=True, column_names="asset")
        assets = [name for name in named.columns if name != "column"]
        rows_of = [(name, *(_format(name, value) for value in values)) for name, *values in named.iter_rows()]
        print_table(("factor", *assets), rows_of, title)


def _format(name: str, value: float | None) -> Figure:
    """Return a number of the line `name`: the constant is a millionth of the others, and keeps its digits."""
    from pairity.number_formats import format_fixed, format_number

    return format_number(value) if name == "const" else format_fixed(value, 0 if name == "minutes" else 4)
