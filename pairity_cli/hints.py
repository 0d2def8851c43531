"""Commands that a person can paste: whole, and for the data directory that is looked at.

Whatever is printed goes through `complete_hints`: errors, notes, lines and cells. So a message of any room may say
`pairity ingest`; on the screen it has the data directory in front of it where the shell would not find it by itself.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pairity.settings import Settings

_VARIABLE = "PAIRITY_HOME"
_DEFAULT, _FILE = "var", "pairity.toml"
_OWN_HOME = "pairity.home"
_WITHOUT_HOME = frozenset({"demo", "paper-exchange", "sources"})
"""Commands that look at no data directory, or at one of their own."""


def write_command(settings: Settings, *words: str) -> str:
    """Return a `pairity` command as it can be pasted into this shell, with `PAIRITY_HOME` where it needs it."""
    return f"{_write_home(settings.root)}{_program()} {shlex.join(words)}"


def complete_hints(text: str) -> str:
    """Return text whose `pairity` commands name this program, and its data directory, as the shell needs them."""
    if "pairity " not in text:
        return text
    home, program = _write_home(_find_home()), _program()
    return _commands().sub(lambda found: f"{found['home'] or home}{program} ", text)


def note_home(root: Path) -> None:
    """Note that the running command looks at another data directory than that of the settings: a demo's."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.find_root().meta[_OWN_HOME] = root


def _find_home() -> Path | None:
    """Return the data directory where an option or a variable names one; None where settings files, or nobody, does."""
    context = click.get_current_context(silent=True)
    own = None if context is None else context.find_root().meta.get(_OWN_HOME)
    if isinstance(own, Path):
        return own
    named = os.environ.get(_VARIABLE)
    try:
        return None if not named else Path(named).expanduser().absolute()
    except RuntimeError:  # of a user that does not exist: the settings refuse it
        return None


def _write_home(root: Path | None) -> str:
    """Return `PAIRITY_HOME=… ` for a data directory that a command would not find by itself in the next line.

    A variable may have been set for one command alone, so that what it says is always written out.
    """
    if root is None or (root == Path(_DEFAULT).absolute() and not Path(_FILE).exists()):
        return ""
    if _VARIABLE not in os.environ and _is_found(root):
        return ""
    return f"{_VARIABLE}={shlex.quote(str(root))} "


def _is_found(root: Path) -> bool:
    """Return whether settings files and environment lead to a data directory by themselves."""
    from pairity.configuration import load_settings
    from pairity.errors import ConfigError

    try:
        return load_settings().root == root
    except ConfigError:
        return False


@functools.cache
def _commands() -> re.Pattern[str]:
    from pairity_cli.main import COMMANDS

    names = "|".join(re.escape(name) for name in COMMANDS if name not in _WITHOUT_HOME)
    return re.compile(rf"(?P<home>{_VARIABLE}=(?:'[^']*'|\S+) )?(?<![\w./=-])pairity (?=(?:{names})(?![\w-]))")


def _program() -> str:
    """Return how this program was called: its name where the shell finds it, else the path of the interpreter."""
    called = Path(sys.argv[0])
    if (called.parent.name, called.name) == ("pairity_cli", "__main__.py"):
        return f"{shlex.quote(sys.executable)} -m pairity_cli"
    found = (Path(folder) / called.name for folder in os.get_exec_path())
    if called.name != "pairity" or any(place.is_file() for place in found) or not called.is_file():
        return "pairity"
    return shlex.quote(str(called))
