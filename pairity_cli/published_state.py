"""Before a command works on data: the newest published state is taken over, where the data directory follows one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pairity.number_formats import format_count
from pairity_cli.home_check import name_command

if TYPE_CHECKING:
    from pairity.settings import Settings

_OF_TRADING = ("account", "acknowledge", "alert-test", "backup", "close", "events", "guard", "halt", "health", "ledger")
_OF_NO_DATA = (
    "demo",
    "doctor",
    "logs",
    "paper-exchange",
    "restore",
    "resume",
    "settings",
    "sources",
    "store",
    "trades",
)
_APART = frozenset({*_OF_TRADING, *_OF_NO_DATA, "ui", "unguard"})
"""Commands about trading or the store itself, and the doctor, who changes nothing: none of them waits for it."""
_WITHOUT = frozenset({"serve"})
"""Commands that go on with what is here where the store does not answer."""


def follow_published(settings: Settings, say: Callable[[str], None]) -> None:
    """Take over the newest published state for the command that runs; say what was done, or stood in the way.

    ConfigError where the data directory follows another store, DataError where the store does not answer.
    """
    command = name_command(click.get_current_context(silent=True)).partition(" ")[0]
    if not command or command in _APART:
        return
    from ingestion.due_months import find_first_input
    from ingestion.published import follow
    from pairity.errors import DataError
    from pairity.timeline import month_start

    # What its first decision reads is fetched now: later, all looks at the venue would wait for the store
    needed_since = find_first_input(month_start(datetime.now(UTC))) if command in _WITHOUT else None
    try:
        followed = follow(settings, needed_since)
    except DataError as error:
        if command not in _WITHOUT:
            raise
        say(f"{error.what}; this goes on with what is here")
        return
    if followed is None:
        return
    if followed.busy:
        say(f"newer data of {settings.cluster.lake} were not taken over: {followed.busy}")
    elif followed.unpublished:
        say(
            f"{format_count(followed.unpublished, 'file')} here are not published, so that newer ones of "
            f"{settings.cluster.lake} were not taken over: pairity store publish"
        )
    elif followed.files:
        say(
            f"state {followed.number} of {settings.cluster.lake} was taken over: {format_count(followed.files, 'file')}"
        )
    _register(settings)


def _register(settings: Settings) -> None:
    """Register the feature definitions in a data directory that has features and no registry of its own yet."""
    from pairity.layout import Layout

    layout = Layout.of(settings)
    if settings.profile != "embedded" or (layout.feast / "registry.db").exists() or not layout.features.is_dir():
        return
    from feature_repo.feature_store import apply_definitions, open_store

    apply_definitions(settings, open_store(settings))
