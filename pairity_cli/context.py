"""Shared parts of all commands: settings from options, errors as messages with an exit code, Ctrl-C as cancellation."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import click

from pairity.errors import DataError, MissingDataError, PairityError, RegistryError, TradingError, UnknownNameError
from pairity.printable import printable
from pairity_cli.hints import complete_hints

if TYPE_CHECKING:
    from pairity.settings import Settings

_NOTHING = "nothing stored yet"
NOTHING_STORED = f"{_NOTHING}: run `pairity ingest`, or `pairity collect`"
"""What a command says that looks at an empty store; that is no failure."""

NOTHING_TRADED = f"{_NOTHING}: nothing was traded; run `pairity serve`"
NOTHING_TRAINED = f"{_NOTHING}: no model is registered; run `pairity train`"
_INTERRUPTED = 130
_ABOUT_DATA = (DataError, RegistryError, TradingError)

P = ParamSpec("P")
R = TypeVar("R")

EXCHANGE_URL = click.option(
    "--exchange-url", metavar="URL", help="Trade on this OKX-compatible exchange instead of OKX itself."
)
CONTROL_URL = click.option(
    "--control-url", metavar="URL", help="Control endpoint of a stepped paper exchange; its time is then ours."
)


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Print a PairityError as message and remedy, and exit with its code; let everything else through as a bug.

    So is what the operating system refuses of a file: a full disk, a folder in the place of a file, a missing right.
    Ctrl-C exits with 130, whatever was going on.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except PairityError as error:
            failure: PairityError = _say_where_all_is_missing(error)
        except OSError as error:
            if error.filename is None:  # not about a file: a bug, or a connection that nobody expected to break
                raise
            what = f"{error.filename} cannot be used: {error.strerror}"
            failure = DataError(what, "mend or move what stands there, make room on the disk, or correct its rights")
        except KeyboardInterrupt:
            _exit_interrupted()
        from pairity_cli.console import fail

        sys.exit(fail(failure))

    return wrapped


def _say_where_all_is_missing(error: PairityError) -> PairityError:
    """Return what to say: of an empty data directory the same, with one exit code, whatever was looked for first."""
    is_unknown = isinstance(error, UnknownNameError) and not error.choices
    if not (is_unknown or isinstance(error, _ABOUT_DATA)):
        return error
    from pairity.configuration import load_settings
    from pairity.errors import ConfigError
    from pairity.home_settings import has_data
    from pairity.layout import Layout

    try:
        layout = Layout.of(load_settings())
    except ConfigError:
        return error
    if has_data(layout) or error.what.startswith(_NOTHING):
        return error
    remedy = "run `pairity train` first" if is_unknown else error.remedy
    return MissingDataError(f"{_NOTHING} in {layout.root}: {error.what}", remedy)


def is_empty(settings: Settings) -> bool:
    """Return whether nothing was ever stored in the data directory."""
    from pairity.home_settings import has_data
    from pairity.layout import Layout

    return not has_data(Layout.of(settings))


def require_data(settings: Settings) -> Settings:
    """Return the settings; MissingDataError where nothing was ever stored in the data directory."""
    if is_empty(settings):
        raise MissingDataError(f"{_NOTHING} in {settings.root}", "run `pairity ingest`, or `pairity collect`")
    return settings


def echo(text: object, *, err: bool = False) -> None:
    """Print text on lines of its own. What a venue, a file or a tag put into it must not steer the terminal."""
    if err:
        click.echo(complete_hints(printable(str(text))), err=True)
        return
    from pairity_cli.tables import print_line

    print_line(str(text))


def settings_from(exchange_url: str | None = None, control_url: str | None = None, **overrides: Any) -> Settings:  # noqa: ANN401
    """Return the settings of file and environment, overridden by the options of the command line.

    ConfigError where they are not those that the data directory was made with, and the command's results would mix.
    """
    from pairity.configuration import load_settings
    from pairity.private_home import secure_home
    from pairity_cli.home_check import check_home

    exchange = {name: value for name, value in (("url", exchange_url), ("control_url", control_url)) if value}
    settings = load_settings(**({"exchange": exchange} if exchange else {}), **overrides)
    secure_home(settings.root, say_note)
    if settings.cluster.lake is not None or (settings.root / ".published").is_dir():
        from pairity_cli.published_state import follow_published

        follow_published(settings, say_note)
    check_home(settings, say_note)
    return settings


def add_members_of(settings: Settings, universe: str | None) -> tuple[Settings, tuple[str, ...]]:
    """Return settings with all that were ever a member of a stored universe, and these members; None adds nobody.

    Without a universe the members are the assets of the settings. UnknownNameError lists the universes that exist.
    """
    from feature_repo.universes import add_members, read_universe
    from pairity.layout import Layout

    if universe is None:
        return settings, settings.universe.assets
    stored = read_universe(Layout.of(settings), universe)
    if not stored.assets:
        raise DataError(f"universe {universe} never had a member", "build it with other choices: pairity universe")
    return add_members(settings, stored), stored.assets


def say_pair_cost(settings: Settings) -> None:
    """Say what many pairs will cost, before the work on them begins."""
    from pairity.pair_cost import describe_pair_cost

    cost = describe_pair_cost(settings.universe.traded)
    if cost is not None:
        say_note(cost)


def say_note(line: str) -> None:
    """Print something that the user should know, to standard error."""
    click.echo(complete_hints(printable(f"note: {line}")), err=True)


def run_async(job: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine and return its result; Ctrl-C cancels it cleanly and exits with 130."""
    try:
        return asyncio.run(job)
    except KeyboardInterrupt:
        _exit_interrupted()


def _exit_interrupted() -> NoReturn:
    click.echo("interrupted", err=True)
    sys.exit(_INTERRUPTED)
