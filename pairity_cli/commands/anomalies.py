"""`pairity anomalies`: what is odd about the stored market, and not a fault of the data."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from pairity_cli.commands.context import reports_errors, settings_from

if TYPE_CHECKING:
    import polars as pl

    from ingestion.lake import Lake

_FOUR_HOURS = timedelta(hours=4)


@click.command()
@click.option("--dataset", metavar="NAME", help="Only this raw dataset; default all with bars.")
@reports_errors
def anomalies(dataset: str | None) -> None:
    """Outages of the venue, mark prices far from the market, bars of 4 hours that are not whole."""
    from feature_repo.raw_datasets import DATASETS
    from feature_repo.raw_datasets import find_dataset as declared
    from ingestion.lake import Lake
    from pairity.layout import Layout

    lake = Lake(Layout.of(settings_from()))
    names = [declared(dataset).name] if dataset else [name for name, kind in DATASETS.items() if "close" in kind.values]
    found = 0
    for name in names:
        rows = _everything(lake, name)
        if rows.height:
            for line in _findings(lake, name, rows):
                click.echo(f"{name}: {line}")
                found += 1
    click.echo(f"{found} anomalies in {', '.join(names)}")


def _findings(lake: Lake, name: str, rows: pl.DataFrame) -> list[str]:
    from feature_repo.raw_datasets import CANDLES, DATASETS
    from validation.anomalies import find_mark_deviations, find_market_outages, find_short_bars

    kind, lines = DATASETS[name], []
    if name in CANDLES and kind.every:
        lines += [
            f"outage {first:%Y-%m-%d %H:%M} to {last + kind.every:%Y-%m-%d %H:%M}: {silent} of {assets} traded nothing"
            for first, last, _, silent, assets in find_market_outages(rows, kind.every).iter_rows()
        ]
        lines += [
            f"short 4h bar {asset} {at:%Y-%m-%d %H:%M}: {bars} of {expected} ({reason})"
            for asset, at, bars, expected, reason in find_short_bars(rows, kind.every, _FOUR_HOURS).iter_rows()
        ]
    if name in ("mark_1h", "index_1h"):
        traded = _everything(lake, "candles_1h")
        odd = find_mark_deviations(rows, traded if traded.height else None)
        lines += [
            f"{asset} {at:%Y-%m-%d %H:%M} at {price:g}, the market at {reference:g}"
            for asset, at, price, reference in odd.iter_rows()
        ]
    return lines


def _everything(lake: Lake, name: str) -> pl.DataFrame:
    from feature_repo.raw_datasets import DATASETS

    parts = [part for part in lake.digests() if part.dataset == name]
    if not parts:
        return DATASETS[name].empty()
    since, until = min(part.month for part in parts), max(part.end for part in parts)
    return lake.scan(name, {part.instrument for part in parts}, since, until).collect()
