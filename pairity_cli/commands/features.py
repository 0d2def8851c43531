"""`pairity features`."""

from __future__ import annotations

import sys

import click

from pairity_cli.context import add_members_of, echo, reports_errors, require_data, say_pair_cost, settings_from
from pairity_cli.data_verdict import say_data_verdict, say_empty_views
from pairity_cli.parameters import UNIVERSE_COLLECTED
from pairity_cli.table_output import prints_tables


@click.command()
@click.option(
    "--until", metavar="INSTANT", default="now", show_default=True, help="End (inclusive close): ISO time, age or now."
)
@UNIVERSE_COLLECTED
@reports_errors
@prints_tables()
def features(until: str, universe: str | None) -> None:
    """Compute, judge, publish and materialize the features of what the lake holds; nothing is fetched.

    Months whose inputs did not change are left alone. The venue is that of `features.venue`.
    """
    from ingestion.pipeline import publish_features
    from pairity.number_formats import format_count
    from pairity.timeline import parse_instant
    from pairity_cli.console import ConsoleProgress
    from pairity_cli.summaries import MOST_LEFT_OUT
    from pairity_cli.tables import print_table
    from venue.clock import SystemClock

    now = SystemClock().now()
    last = parse_instant(until, now=now, name="--until")
    settings, _ = add_members_of(settings_from(), universe)
    require_data(settings)
    say_pair_cost(settings)
    with ConsoleProgress() as progress:
        report = publish_features(settings, last, now, progress)
    say_data_verdict(settings)
    columns = ("view", "new", "corrected", "unchanged", "online")
    rows = [(v.view, v.new_rows, v.corrected_rows, v.unchanged_rows, v.online_rows) for v in report.views]
    print_table(columns, rows)
    say_empty_views(settings)
    for item in report.quarantined:
        echo(f"quarantined: {item.stage} {item.key}: {'; '.join(item.rules)}")
    for pair in report.left_out[:MOST_LEFT_OUT]:
        echo(f"left out: {pair.pair_id}: {pair.reason}")
    if len(report.left_out) > MOST_LEFT_OUT:
        echo(f"left out: {format_count(len(report.left_out) - MOST_LEFT_OUT, 'more pair')}")
    sys.exit(0 if not report.quarantined else 4)
