"""Usage errors without what was typed, where that may be a secret.

Click quotes what it cannot use. A key that was typed as an argument, or for an option that does not exist, would stand
in a log or on a shared screen. So arguments that nobody asked for are left out, and of the others what is no word,
number or time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import click

from pairity.redaction import MASK, redact
from pairity.secret_names import may_show, show_name, sounds_secret

_NOT_HERE = (
    "Keys are never given on the command line, where every user of the machine can read them: set them in the "
    "environment or .env, and change a key that was typed here."
)


@contextmanager
def concealing(typed: Sequence[str], commands: Iterable[str]) -> Iterator[None]:
    """Replace a usage error that leaves the block by one that shows nothing of `typed` that may be a secret."""
    concealed = None
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:  # its message is the help: nothing was typed
        raise
    except click.UsageError as error:
        concealed = click.UsageError(describe(error, typed, commands), error.ctx)
    if concealed is not None:  # raised here, so that it does not lead to the error that it replaces
        raise concealed


def describe(error: click.UsageError, typed: Sequence[str], commands: Iterable[str]) -> str:
    """Return the message of a usage error, with a warning where an argument is named like a key."""
    if isinstance(error, click.NoSuchOption):
        name = error.option_name.partition("=")[0]
        near = [option.lstrip("-") for option in error.possibilities or ()]
        shown = show_name(name.lstrip("-"), near)
        message = f"No such option {_quote(name, shown)}.{_list_possibilities(error.possibilities)}"
    elif isinstance(error, click.NoSuchCommand):
        shown = show_name(error.command_name, commands, strict=True)
        message = f"No such command {_quote(error.command_name, shown)}.{_list_possibilities(error.possibilities)}"
    elif error.message.startswith("Got unexpected extra argument"):
        message = f"{error.message.partition(' (')[0]}."
    else:
        message = error.format_message()
    for text in _list_suspicious(typed):
        message = message.replace(text, MASK)
    if any(argument.startswith("-") and sounds_secret(argument.partition("=")[0]) for argument in typed):
        message = f"{message} {_NOT_HERE}"
    return redact(message)


def _quote(name: str, shown: str) -> str:
    return repr(name) if shown == name.lstrip("-") else shown


def _list_possibilities(names: Sequence[str] | None) -> str:
    return f" Did you mean {' or '.join(names)}?" if names else ""


def _list_suspicious(arguments: Iterable[str]) -> list[str]:
    """Return the arguments, and values behind an equals sign, that are no plain words; the longest first."""
    pieces = {piece for argument in arguments for piece in (argument, argument.partition("=")[2])}
    return sorted((piece for piece in pieces if piece and not may_show(piece)), key=len, reverse=True)
