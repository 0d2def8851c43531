"""`pairity events` and `pairity alert-test`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pairity_cli.context import echo, reports_errors, run_async, settings_from

if TYPE_CHECKING:
    from serving.journal.event_records import Event

_SEVERITIES = ("info", "warning", "critical")


@click.command()
@click.option("--severity", type=click.Choice(_SEVERITIES), help="Events of this severity alone.")
@click.option("--open", "open_only", is_flag=True, help="Those that nobody has acknowledged alone.")
@click.option("--limit", type=click.IntRange(1, 500), default=30, show_default=True, help="Most events.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@reports_errors
def events(severity: str | None, open_only: bool, limit: int, as_json: bool) -> None:
    """Show what happened to the trading process, newest first: the journal's events, with their numbers.

    `pairity acknowledge N` notes that you have seen one.
    """
    from pairity.layout import Layout
    from serving.journal import Journal
    from serving.journal.event_records import Severity

    journal = Journal.read(Layout.of(settings_from()).journal)
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
    _show(found)


def _show(found: list[Event]) -> None:
    from pairity_cli.tables import Cell, print_line, print_table

    if not found:
        print_line("no such event")
        return
    rows: list[list[Cell]] = [
        [
            event.event_id,
            f"{event.at:%Y-%m-%d %H:%M:%S}",
            event.severity.value,
            event.kind,
            event.text,
            _say_seen(event),
        ]
        for event in found
    ]
    print_table(["event", "UTC", "severity", "kind", "what happened", "seen"], rows)


def _say_seen(event: Event) -> str:
    if event.acknowledged_at is None:
        return ""
    return f"{event.acknowledged_at:%m-%d %H:%M} by {event.acknowledged_by}"


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
            f"{len(lost)} of {len(trials)} messages were not delivered: {', '.join(lost)}",
            "compare address and token with what the destination says; docs/alerts.md",
        )
