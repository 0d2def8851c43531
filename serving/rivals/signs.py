"""Signs of life of a process, kept in client order ids, where every client of the account can read them.

pairity l 1f3a99c0 5e77d1 h 6925f1a0c
prefix    scope    process  instant in sixteenths of a second
        │                 └ h: the account is held, r: it is released
        └ l: a sign of life; e, x, s are entries, exits and stops
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from serving.journal import ID_PREFIX, is_of_pairity, scope_tag

_LETTER = "l"
_AT_TAG = len(ID_PREFIX) + 1
_AT_PROCESS = _AT_TAG + 8
_AT_HELD = _AT_PROCESS + 6
LENGTH = _AT_HELD + 10
_TRADING = "ex"


class Sign(NamedTuple):
    """What a sign of life says: of which journal and process it is, and whether that holds the account or left it."""

    tag: str
    process: str
    held: bool


def make_sign_id(scope: str, process: str, at: datetime, *, held: bool) -> str:
    """Return the client order id of a sign of life; `process` are six signs of this process alone.

    >>> from datetime import UTC
    >>> make_sign_id("d1", "5e77d1", datetime(2026, 1, 1, tzinfo=UTC), held=True)
    'pairityle8b53639...'
    """
    sixteenths = int(at.timestamp() * 16)
    return f"{ID_PREFIX}{_LETTER}{scope_tag(scope)}{process}{'h' if held else 'r'}{sixteenths:09x}"


def is_sign(client_id: str) -> bool:
    """Return whether an id is that of a sign of life, of whichever process."""
    return is_of_pairity(client_id) and client_id[len(ID_PREFIX) : _AT_TAG] == _LETTER


def read_sign(client_id: str) -> Sign | None:
    """Return the sign of life that an id is; None for every other id."""
    if not is_sign(client_id) or len(client_id) != LENGTH or client_id[_AT_HELD] not in "hr":
        return None
    return Sign(client_id[_AT_TAG:_AT_PROCESS], client_id[_AT_PROCESS:_AT_HELD], client_id[_AT_HELD] == "h")


def read_tag(client_id: str) -> str:
    """Return the tag of the journal that an order's id is of."""
    return client_id[_AT_TAG:_AT_PROCESS]


def is_sent(client_id: str) -> bool:
    """Return whether a process sent an order itself: a stop's order is sent by the venue, whoever lives."""
    return is_of_pairity(client_id) and client_id[len(ID_PREFIX) : _AT_TAG] in _TRADING
