"""`pairity events` and `pairity alert-test`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pairity.number_formats import format_count
from pairity_cli.context import NOTHING_TRADED, echo, reports_errors, run_async, settings_from
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from serving.journal.event_records import Event

_SEVERITIES = ("info", "warning", "critical")


@click.command()
@click.option("--severity", type=click.Choice(_SEVERITIES), help="Events of this severity alone.")
@click.option("--open", "open_only", is_flag=True, help="Those that nobody has acknowledged alone.")
@click.option("--limit", type=click.IntRange(1, 500), default=30, show_default=True, help="Most events.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@reports_errors
@prints_tables(json_too=False)
def events(severity: str | None, open_only: bool, limit: int, as_json: bool) -> None:
    """Show what happened to the trading process, newest first: the journal's events, with their numbers.

    `pairity acknowledge N` notes that you have seen one.
    """
    from pairity.layout import Layout
    from serving.journal import Journal
    from serving.journal.event_records import Severity
    from serving.journal.opened import is_there

    path = Layout.of(settings_from()).journal_place
    if not is_there(path):
        if not as_json:
            echo(NOTHING_TRADED)
        return
    journal = Journal.read(path)
    try:
        found = journal.event_log.page(
            limit=limit,
            severity=None if severity is None else Severity(severity),
            acknowledged=False if open_only else None,
        )
    finally:
        journal.close()
    if as_json:
        for event in found:
            echo(json.dumps(asdict(event), default=str))
        return
    _show(found, is_filtered=severity is not None or open_only)


def _show(found: list[Event], *, is_filtered: bool) -> None:
    from pairity_cli.tables import Cell, print_line, print_table

    if not found:
        print_line("no such event" if is_filtered else NOTHING_TRADED)
        return
    rows: list[list[Cell]] = [
        [
            str(event.event_id),
            event.at,
            event.severity.value,
            event.text,
            event.kind,
            _say_seen(event),
        ]
        for event in found
    ]
    print_table(["event", "time, UTC", "severity", "what happened", "kind", "seen"], rows)


def _say_seen(event: Event) -> str:
    if event.acknowledged_at is None:
        return ""
    return f"{event.acknowledged_at:%Y-%m-%d %H:%M} UTC by {event.acknowledged_by}"


@click.command("alert-test")
@reports_errors
def alert_test() -> None:
    """Send one message to every destination of alerts, and a signal to the outside monitor, and say what came of it.

    It may run beside the trading process. The exit code is 1 where one of them was not delivered.
    """
    from pairity.errors import ConfigError, PairityError
    from serving.alerts.trial import send_trials

    settings = settings_from()
    trials = run_async(send_trials(settings.alerts, "pairity"))
    if not trials:
        raise ConfigError("no destination of alerts is set", "docs/alerts.md shows how to set one")
    for trial in trials:
        echo(f"{trial.name}: {'delivered' if trial.outcome.delivered else 'NOT delivered'}, {trial.outcome.said}")
    if lost := [trial.name for trial in trials if not trial.outcome.delivered]:
        raise PairityError(
            f"{len(lost)} of {format_count(len(trials), 'message')} not delivered: {', '.join(lost)}",
            "compare address and token with what the destination says; docs/alerts.md",
        )
