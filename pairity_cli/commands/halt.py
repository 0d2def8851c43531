"""Commands by which a person asks something of the trading process: halt, resume, guard, close, acknowledge."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.parameters import Note
from pairity_cli.references import POSITION

if TYPE_CHECKING:
    from serving.journal.event_records import Wish

REASON = click.option("--reason", type=Note(), default=None, help="Why, for the journal.")


@click.command()
@click.option("--flatten", is_flag=True, help="Close all positions of this process at market, too.")
@REASON
@reports_errors
def halt(flatten: bool, reason: str | None) -> None:
    """Let the trading process open and close nothing until pairity resume. Stops stay on the venue.

    It is taken up at once; where the process does not run, at its next start. A halt survives restarts.
    """
    from serving.journal.event_records import Wish

    _ask(Wish.FLATTEN if flatten else Wish.HALT, reason)


@click.command()
@REASON
@reports_errors
def resume(reason: str | None) -> None:
    """Lift a halt. What the process guards for (a venue that does not answer, data that fail) keeps it guarding."""
    from serving.journal.event_records import Wish

    _ask(Wish.RESUME, reason)


@click.command()
@REASON
@reports_errors
def guard(reason: str | None) -> None:
    """Let the trading process open nothing until pairity unguard; exits, stops and the watch go on.

    It survives restarts, and pairity resume does not lift it.
    """
    from serving.journal.event_records import Wish

    _ask(Wish.GUARD, reason)


@click.command()
@REASON
@reports_errors
def unguard(reason: str | None) -> None:
    """Lift a guard that a person asked for, or that followed a parity check with differences.

    What the process guards for by itself besides keeps it guarding.
    """
    from serving.journal.event_records import Wish

    _ask(Wish.UNGUARD, reason)


@click.command()
@click.argument("position", type=POSITION)
@REASON
@reports_errors
def close(position: str, reason: str | None) -> None:
    """Close one position at market, both legs, also while the process is halted.

    The status page and events have its id. An exit that the venue refuses is tried again until it is closed; the next
    decision may open the pair again unless you guard first.
    """
    from serving.journal.event_records import Wish

    _ask(Wish.CLOSE, reason, position_id=position)


@click.command()
@click.argument("event", type=click.IntRange(1), required=False)
@click.option("--all", "everything", is_flag=True, help="All events that nobody has acknowledged.")
@REASON
@reports_errors
def acknowledge(event: int | None, everything: bool, reason: str | None) -> None:
    """Note that you have seen an event, by its number as alerts show it, or all: its escalation ends."""
    from serving.journal.event_records import Wish

    if (event is None) is not everything:
        raise click.UsageError("name the number of an event, or --all")
    if event is not None:
        _require_event(event)
    _ask(Wish.ACKNOWLEDGE_ALL if event is None else Wish.ACKNOWLEDGE, reason, event_id=event)


def _require_event(event: int) -> None:
    """Raise MissingDataError where the journal has no such event; one that cannot be read is no reason to refuse."""
    from pairity.errors import JournalError, MissingDataError
    from pairity.layout import Layout
    from serving.journal import Journal
    from serving.journal.opened import is_there

    path = Layout.of(settings_from()).journal_place
    try:
        if not is_there(path):
            return
        journal = Journal.read(path)
        try:
            newest = journal.event_log.newest_id()
            found = journal.event_log.after(event - 1, limit=1)
        finally:
            journal.close()
    except JournalError:
        return
    if not found or found[0].event_id != event:
        known = f"the newest is {newest}" if newest else "it has none"
        raise MissingDataError(f"the journal has no event {event}: {known}", "see `pairity events`")


def _ask(wish: Wish, reason: str | None, **target: Any) -> None:  # noqa: ANN401 - a position or an event
    from pairity.layout import Layout
    from serving.control.queue import Request, RequestQueue

    request = Request(wish=wish, at=datetime.now(UTC), reason=reason or "", by="command", **target)
    name = RequestQueue(Layout.of(settings_from())).put(request)
    echo(f"{wish} is asked for (request {name}): the trading process takes it up at once, or when it starts")
