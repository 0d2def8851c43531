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
    """Fold the small files of live hours into larger ones, in the lake and in the features, and delete them.

    Rows, what any join returns, and the snapshot id stay as they are; readers may go on meanwhile: files of features
    are deleted by the next compaction, an hour later or more. It may be interrupted at any time and run again. It
    refuses to run beside a process that writes; `pairity serve` does the same by itself, at midnight.
    """
    from feature_repo.feature_compaction import compact_features
    from ingestion.lake import Lake
    from ingestion.published import publishing
    from pairity.layout import Layout

    settings = settings_from()
    if is_empty(settings):
        echo(NOTHING_STORED)
        return
    lake = Lake(Layout.of(settings), venue=venue or settings.features.venue)
    with publishing(lake, settings):
        report, features = lake.compact(), compact_features(Layout.of(settings))
    if report.commits:
        echo(
            f"lake: folded {format_count(report.rows, 'row')} of {format_count(report.commits, 'commit')} into "
            f"{format_count(report.partitions, 'partition')} and deleted {format_count(report.files, 'file')}; "
            f"snapshot {lake.snapshot_id()}"
        )
    if features.folded or features.deleted:
        echo(
            f"features: folded {format_count(features.folded, 'file')} into {features.written:,}; deleted "
            f"{format_count(features.deleted, 'file')} that were folded before"
        )
    if not (report.commits or features.folded or features.deleted):
        echo("nothing waits for compaction")
