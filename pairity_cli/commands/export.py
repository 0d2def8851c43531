"""`pairity export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pairity.names import IDENTIFIER
from pairity.number_formats import format_count
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.parameters import Name
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from training.data.export import Exported


@click.command()
@click.argument("views", nargs=-1, required=True, type=Name(IDENTIFIER), metavar="VIEW...")
@click.option("--since", metavar="INSTANT", help="First bar close; by default the first stored.")
@click.option("--until", metavar="INSTANT", default="now", show_default=True, help="Last bar close (included).")
@click.option("--split", metavar="INSTANT[,INSTANT]", help="Where valid and test (or test alone) begin.")
@click.option("--labels", is_flag=True, help="With the labels of the setting label; rows that look across are purged.")
@click.option("--format", "kind", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder; by default among the reports."
)
@reports_errors
@prints_tables()
def export(
    views: tuple[str, ...],
    since: str | None,
    until: str,
    split: str | None,
    labels: bool,
    kind: str,
    output: Path | None,
) -> None:
    """Write the final data set: VIEWs side by side, as known at each decision; one table, or train, valid and test.

    Beside a view of pairs, those of assets come twice: base__NAME and quote__NAME.
    """
    from pairity.timeline import parse_instant
    from training.data.export import add_labels, check_boundaries, collect_rows, find_views, split_rows
    from training.data.history import make_store_join
    from training.reports.export_files import list_older_parts, locate_directory, write_export
    from venue.clock import SystemClock

    settings = settings_from()
    chosen = find_views(views)
    now = SystemClock().now()
    boundaries = [parse_instant(text.strip(), now=now, name="--split") for text in split.split(",")] if split else []
    check_boundaries(boundaries)
    last = parse_instant(until, now=now, name="--until")
    first = parse_instant(since if since is not None else "1970-01-01", now=now, name="--since")
    rows = collect_rows(settings, chosen, now, (first, last))
    if labels:
        rows = add_labels(settings, rows, make_store_join(settings), now)
    exported = split_rows(rows, boundaries, horizon_bars=settings.label.horizon_bars)
    folder = output or locate_directory(settings)
    paths = write_export(folder, exported, kind, own=output is None)
    _show(exported)
    for path in paths:
        echo(path)
    for path in list_older_parts(folder, paths):
        echo(f"note: {path} lies beside them and is not of this export")


def _show(exported: Exported) -> None:
    from feature_repo.catalog import EVENT_TIME
    from pairity_cli.tables import print_line, print_table

    rows = []
    for name, part in exported.parts.items():
        first, last = part[EVENT_TIME].sort().gather([0, -1])
        rows.append((name, part.height, len(part.columns), first, last))
    print_table(("part", "rows", "columns", "first bar close", "last"), rows)
    if exported.purged:
        print_line(f"left out: {format_count(exported.purged, 'row')} with labels that look into the next part")
