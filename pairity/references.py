"""References of people to things with long names: the name itself, what begins only it, or `latest`."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from pairity.errors import ConfigError, UnknownNameError

LATEST = "latest"
_NAMED = 5
"""Most candidates that a message names."""


def find_named(kind: str, text: str, names: Sequence[str]) -> str:
    """Return the one of `names` (newest first) that `text` is, or begins; `latest` is the newest.

    UnknownNameError names the nearest, or the newest, where none begins so; ConfigError names some where several do.

    >>> find_named("run", "ab", ["abc", "b1"]), find_named("run", "latest", ["abc", "b1"])
    ('abc', 'abc')
    """
    if text in names:
        return text
    if text == LATEST and names:
        return names[0]
    matching = [name for name in names if text and name.startswith(text)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        more = "" if len(matching) <= _NAMED else f" and {len(matching) - _NAMED:,} more"
        raise ConfigError(
            f"{text!r} begins {len(matching):,} {kind}s",
            f"give more of it: {', '.join(matching[:_NAMED])}{more}",
        )
    near = get_close_matches(text, names, n=_NAMED, cutoff=0.4) or names[:_NAMED]
    raise UnknownNameError(kind, text, near)
