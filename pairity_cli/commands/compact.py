"""`pairity compact`."""

from __future__ import annotations

import click

from pairity.names import VENUE
from pairity.number_formats import format_count
from pairity_cli.context import NOTHING_STORED, echo, is_empty, reports_errors, settings_from
from pairity_cli.parameters import Name


@click.command()
@click.option("--venue", type=Name(VENUE), help="Whose raw data; by default that of features.venue.")
@reports_errors
def compact(venue: str | None) -> None:
    """Fold the small files of live hours into the month files of the lake, and delete them.

    Rows, features and the snapshot id stay as they are; readers may go on meanwhile. It may be interrupted at any time
    and run again. It refuses to run beside a process that writes, such as `pairity serve`.
    """
    from ingestion.lake import Lake
    from pairity.layout import Layout

    settings = settings_from()
    if is_empty(settings):
        echo(NOTHING_STORED)
        return
    lake = Lake(Layout.of(settings), venue=venue or settings.features.venue)
    with lake.writing():
        report = lake.compact()
    if not report.commits:
        echo("nothing waits for compaction")
        return
    echo(
        f"folded {format_count(report.rows, 'row')} of {format_count(report.commits, 'commit')} into "
        f"{format_count(report.partitions, 'partition')} and deleted "
        f"{format_count(report.files, 'file')}; snapshot {lake.snapshot_id()}"
    )
