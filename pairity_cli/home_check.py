"""Comparison of the settings with those that a data directory was made with, before a command works."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pairity.home_settings import Difference
    from pairity.settings import Settings

_GROWING = frozenset({"ingest", "features"})
"""Commands that add assets to what is stored: a universe that has grown is remembered."""
_STRICT = frozenset({"train", "retrain", "serve", "redenominate", "quarantine release", "quarantine repair"})
"""Commands whose results would mix with what is stored."""
_STUDYING = frozenset({"leaderboard", "backtest", "export", "lookahead"})
"""Commands that read features and store no data: they may look at fewer assets."""
_SHOWING = frozenset(
    {"anomalies", "collect", "cross-section", "data", "gaps", "lags", "pairs", "risk-factors", "trade-sheet"}
)
"""Commands that show: they say that the settings are others, and go on."""
_REMEMBERING = frozenset({"ingest", "features", "train", "retrain", "serve"})
_TALKING = frozenset({"ingest", "serve"})
"""Commands that trade on, or fetch from, the exchange of the settings."""


def name_command(context: click.Context | None) -> str:
    """Return the words of the command that runs, without options: `quarantine release`; empty outside of one."""
    words: list[str] = []
    while context is not None and context.parent is not None:
        words.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(words)


def check_home(settings: Settings, say: Callable[[str], None]) -> None:
    """Compare the settings with the remembered ones, as the running command needs it; say or refuse what differs.

    ConfigError where the results of this command would mix with what is stored. The first command that stores something
    makes the record. A data directory that cannot be written to is left without one.
    """
    context = click.get_current_context(silent=True)
    command = _find_work(name_command(context), {} if context is None else context.params)
    if command not in _GROWING | _STRICT | _STUDYING | _SHOWING:
        return
    from pairity.errors import DataError
    from pairity.home_settings import Change, find_differences, read_of_running, read_remembered
    from pairity.layout import Layout

    layout, now = Layout.of(settings), _collect(settings, command)
    try:
        remembered = read_remembered(layout) or read_of_running(layout)
    except DataError as error:
        if command in _SHOWING:
            say(f"{error.what}; {error.remedy}")
            return
        raise
    differences = find_differences(remembered or {}, now)
    allowed = {Change.GROWN} if command in _GROWING else {Change.NARROWED} if command in _STUDYING else set()
    if command not in _SHOWING and (mixing := [item for item in differences if item.change not in allowed]):
        raise _refuse(settings, mixing)
    for item in differences:
        say(f"other settings than this data directory was made with: {item}")
    if command in _REMEMBERING and command != "ingest":  # which has options that it must look at first
        remember_home(settings, command, say)


def _find_work(command: str, options: Mapping[str, Any]) -> str:
    """Return the command whose work is done: some options make another one of a command."""
    if command == "gaps" and options.get("repair"):
        return "quarantine repair"
    is_shown = (command == "leaderboard" and options.get("last")) or (
        command == "redenominate" and options.get("asset") is None
    )
    return "data" if is_shown else command


def remember_home(settings: Settings, command: str, say: Callable[[str], None]) -> None:
    """Remember the settings, where a command is about to store something: all of them, or those that are new.

    ConfigError where another process has just remembered others.
    """
    from pairity.home_settings import find_differences, has_data, read_remembered, remember
    from pairity.layout import Layout

    layout, now = Layout.of(settings), _collect(settings, command)
    remembered = read_remembered(layout)
    if remembered is None:
        if command == "ingest" or has_data(layout):
            _make_record(settings, now, say)
    elif now.keys() - remembered.keys() or (command in _GROWING and find_differences(remembered, now)):
        _try(lambda: remember(layout, now), say)


def _make_record(settings: Settings, now: dict[str, Any], say: Callable[[str], None]) -> None:
    from pairity.home_settings import locate_record, remember_first
    from pairity.layout import Layout

    layout, raced = Layout.of(settings), []

    def write() -> None:
        raced.extend(remember_first(layout, now))
        if not raced:
            say(f"the data directory remembers the settings that it is made with: {locate_record(layout)}")

    _try(write, say)
    if raced:
        raise _refuse(settings, raced)


def describe_exchange(settings: Settings) -> str:
    """Return in words which exchange the settings name, whatever its port."""
    from urllib.parse import urlsplit

    if settings.exchange.url is None:
        return "OKX"
    host = urlsplit(settings.exchange.url).hostname or settings.exchange.url
    return "an exchange on this machine" if host in {"127.0.0.1", "localhost", "::1"} else host


def _collect(settings: Settings, command: str) -> dict[str, Any]:
    from pairity.home_settings import collect_values

    exchange = describe_exchange(settings) if command in _TALKING else None
    return collect_values(settings, interval=command == "serve", exchange=exchange)


def _refuse(settings: Settings, differences: Sequence[Difference]) -> Exception:
    from pairity.errors import ConfigError
    from pairity_cli.hints import write_command

    what = "; ".join(map(str, differences))
    names = ", ".join(item.name for item in differences)
    return ConfigError(
        f"this data directory was made with other settings: {what}",
        f"set {names} as remembered (pairity.toml, environment or option), or choose another PAIRITY_HOME; "
        f"or take the new ones: {write_command(settings, 'settings', '--accept')}",
    )


def _try(write: Callable[[], None], say: Callable[[str], None]) -> None:
    """Write, and say where that cannot be: what the command itself needs to write fails by itself, with a reason."""
    try:
        write()
    except OSError as error:
        say(f"the settings cannot be remembered: {error.strerror or error}")
