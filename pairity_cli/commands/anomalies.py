"""`pairity anomalies`: what is odd about the stored market, and not a fault of the data."""

from __future__ import annotations

import click

from pairity.names import IDENTIFIER
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.data_verdict import say_data_verdict, say_nothing_stored
from pairity_cli.parameters import Name
from pairity_cli.table_output import prints_tables

_SHOWN = 18


@click.command()
@click.option("--dataset", type=Name(IDENTIFIER), metavar="NAME", help="Only this raw dataset; default all with bars.")
@click.option("--all", "everything", is_flag=True, help="All of them, not only as many as fit a screen.")
@reports_errors
@prints_tables()
def anomalies(dataset: str | None, everything: bool) -> None:
    """Outages of the venue, dead contracts, mark prices far from the market, bars of 4 hours that are not whole."""
    from feature_repo.raw_datasets import DATASETS
    from feature_repo.raw_datasets import find_dataset as declared
    from ingestion.lake import Lake
    from ingestion.market_anomalies import describe_anomalies
    from pairity.layout import Layout
    from pairity.number_formats import format_count
    from pairity.timeline import HOUR

    settings = settings_from()
    layout = Layout.of(settings)
    lake_exists = layout.lake.exists()
    lake = Lake(layout, venue=settings.features.venue)
    if not lake_exists:
        say_nothing_stored(settings)
        return
    names = [declared(dataset).name] if dataset else [name for name, kind in DATASETS.items() if "close" in kind.values]
    say_data_verdict(settings)
    lines = [
        f"{name}: {line}"
        for name in names
        for line in describe_anomalies(lake, name, settings.features.dead_after_hours * HOUR)
    ]
    shown = lines if everything else lines[:_SHOWN]
    for line in shown:
        echo(line)
    if len(lines) > len(shown):
        echo(f"… and {len(lines) - len(shown):,} more: --all shows them")
    echo(f"{format_count(len(lines), 'anomaly', 'anomalies')} in {', '.join(names)}")
