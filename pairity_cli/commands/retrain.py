"""`pairity retrain`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import click

from pairity_cli.context import echo, reports_errors, run_async, say_pair_cost, settings_from

if TYPE_CHECKING:
    from pairity.settings import Settings


@click.command()
@click.option("--once", is_flag=True, help="Train now, in this process, and end: for cron or systemd.")
@click.option("--daily-at", metavar="HH:MM", help="Time of day in UTC (default: the setting retrain.at).")
@click.option(
    "--as-known-at",
    metavar="INSTANT",
    default="now",
    show_default=True,
    help="With --once: use only what was known then.",
)
@reports_errors
def retrain(once: bool, daily_at: str | None, as_known_at: str) -> None:
    """Train on everything known now, every day; the gate decides whether the new version becomes champion.

    Without --once it stays running and starts each training as a process of its own, with low priority. A training that
    fails or is refused leaves the champion as it is. The trading process takes a new champion over at its next
    decision; with the setting serve.retrain it does the retraining too.
    """
    from pairity.errors import ConfigError

    if once and daily_at is not None:
        raise ConfigError("--once trains now, --daily-at every day", "give one of them")
    if not once and as_known_at != "now":
        raise ConfigError("--as-known-at is for one training", "give it with --once")
    settings = settings_from(retrain={"at": daily_at}) if daily_at is not None else settings_from()
    say_pair_cost(settings)
    if once:
        _train_now(settings, as_known_at)
    else:
        _train_daily(settings)


def _train_now(settings: Settings, as_known_at: str) -> None:
    """Train once; the last line of output is the outcome, which the trading process reads."""
    import os
    import signal

    from pairity.timeline import parse_instant
    from pairity_cli.console import ConsoleProgress
    from serving.parity_verdicts import live_parity
    from serving.retraining_outcome import say_outcome
    from training.books.present import measure_book
    from training.family_job import train_families
    from venue.clock import SystemClock

    now = parse_instant(as_known_at, now=SystemClock().now(), name="--as-known-at")
    # SystemExit unwinds the stack, sudden death does not: a run that has begun is marked as failed
    signal.signal(signal.SIGTERM, _exit_on_signal)
    os.nice(settings.retrain.niceness)
    with _locked(settings), ConsoleProgress() as progress:
        reports = train_families(settings, progress, now=now, parity=live_parity(settings, measure_book))
    # A new champion comes last: that line is the outcome of all of them.
    for report in sorted(reports, key=lambda one: one.outcome.promoted):
        echo(say_outcome(report.model.version, report.outcome.reason, promoted=report.outcome.promoted))


def _exit_on_signal(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _train_daily(settings: Settings) -> None:
    run_async(_daily(settings))


async def _daily(settings: Settings) -> None:
    import asyncio

    from pairity.errors import ConfigError
    from serving.retraining import retrain_daily
    from serving.shutdown import stop_on_signals
    from venue.clock import clock_for

    if settings.exchange.control_url is not None:
        raise ConfigError(
            "a stepped exchange's time passes only when the trading process steps it",
            "set serve.retrain and let the trading process retrain, or unset exchange.control_url",
        )
    stop = asyncio.Event()
    async with stop_on_signals(stop.set):
        await retrain_daily(settings, await clock_for(settings.exchange), stop, echo)


@contextlib.contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """Own the retraining lock: cron, a scheduler and the trading process never train at the same time."""
    from pairity.durable import AlreadyLockedError, lock_exclusively
    from pairity.errors import ConfigError
    from pairity.layout import Layout

    try:
        file = lock_exclusively(Layout.of(settings).retrain_lock)
    except AlreadyLockedError as error:
        raise ConfigError(f"another retraining (pid {error.owner}) is running", "wait until it has ended") from None
    with file:
        yield
