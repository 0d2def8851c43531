"""Requests of a person to the trading process: halt, halt and flatten, resume.

A request is one small file in the data directory. It is there whether the process runs or not: a running process takes
it up at its next watch, a starting one before anything else. The newest request replaces one that waits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pairity.bounded_files import read_json_file
from pairity.durable import make_folder, remove_flushed, rename_flushed, replace_file
from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.private_files import require_private

_LONGEST_REASON = 300


class Wish(StrEnum):
    """What a person asks for."""

    HALT = "halt"
    FLATTEN = "flatten"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Request:
    """A request: what, when it was made, and a reason for the journal."""

    wish: Wish
    at: datetime
    reason: str


def write_request(layout: Layout, request: Request) -> None:
    """Put a request where the process finds it, in the place of one that waits there."""
    make_folder(layout.request.parent)
    row = {"wish": request.wish.value, "at": request.at.isoformat(), "reason": request.reason[:_LONGEST_REASON]}
    replace_file(layout.request, json.dumps(row).encode())


def take_request(layout: Layout) -> Request | None:
    """Return the request that waits, None without one; `drop_request` says that it was carried out.

    It is moved aside first: one that a person makes meanwhile is the next. ConfigError for a file that is none,
    PrivacyError for one that others may have put there.
    """
    taken = _name_taken(layout)
    if not taken.exists():
        if not layout.request.exists():
            return None
        rename_flushed(layout.request, taken)
    require_private([taken])
    try:
        row = read_json_file(taken)
        return Request(Wish(row["wish"]), datetime.fromisoformat(row["at"]), str(row["reason"])[:_LONGEST_REASON])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{taken} is not a request of pairity halt or resume ({type(error).__name__})",
            "remove it, or give the command again",
        ) from None


def drop_request(layout: Layout) -> None:
    """Remove the request that was taken: it is in the journal."""
    remove_flushed([_name_taken(layout)])


def _name_taken(layout: Layout) -> Path:
    return layout.request.with_suffix(".taken")
