"""Queue of requests of persons to the trading process: a folder of small files, oldest first.

A request is there whether the process runs or not: a running process takes it up at once, a starting one before
anything else. Its file goes only after the journal says that it was carried out, so a process that is killed at any
moment finds it again; the journal's record keeps it from being carried out twice.

A secret that a person pastes into a reason is left out on both ways: the journal keeps reasons for ever.

A file that nobody can read stays, and is named: it may have been a halt. Those behind it are carried out all the same.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import token_hex

from pairity.bounded_files import read_json_file
from pairity.durable import make_folder, remove_flushed, replace_file, take_turns
from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.private_files import require_private
from pairity.redaction import redact
from serving.journal.event_records import Wish

MOST_WAITING = 200
"""Most requests that wait: nobody gives more while a process is down, and a program that does fills no disk.

As many places again are for those that lower the risk alone: a halt must not be refused because of other requests.
"""
_LOWER_RISK = frozenset({Wish.GUARD, Wish.HALT, Wish.FLATTEN, Wish.CLOSE})
_LONGEST_REASON = 500
_NAME = re.compile(r"[0-9]{8,20}-[0-9a-f]{16}\.json")
_WAYS = ("command", "page")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request: what, when it was made, and a reason for the journal.

    `position_id` is that of the position to close, `event_id` that of the event to acknowledge. `by` is the way it
    came: `command` or `page`. The id is given by the queue.
    """

    wish: Wish
    at: datetime
    reason: str = ""
    by: str = "command"
    position_id: str | None = None
    event_id: int | None = None
    request_id: str = ""


class RequestQueue:
    """Queue below one data directory. Any number of processes put requests, one takes them."""

    def __init__(self, layout: Layout) -> None:
        self._folder = layout.requests
        self._before = layout.request
        self._seen: frozenset[str] = frozenset()

    def put(self, request: Request) -> str:
        """Add a request behind those that wait; it is on the disk on return. Return its id.

        ConfigError where too many wait.
        """
        make_folder(self._folder)
        with take_turns(self._folder / ".lock"):
            names = self._list_names()
            if len(names) >= (2 * MOST_WAITING if request.wish in _LOWER_RISK else MOST_WAITING):
                raise ConfigError(
                    f"{len(names)} requests wait for the trading process",
                    f"start it, or remove those that are not meant from {self._folder}",
                )
            number = _read_number(names[-1]) + 1 if names else 1
            request_id = f"{number:08d}-{token_hex(8)}"
            row = {
                "wish": request.wish.value,
                "at": request.at.isoformat(),
                "reason": redact(request.reason)[:_LONGEST_REASON],
                "by": request.by,
                "position_id": request.position_id,
                "event_id": request.event_id,
            }
            replace_file(self._folder / f"{request_id}.json", json.dumps(row).encode())
        return request_id

    def list_waiting(self) -> list[Path]:
        """Return the files of the requests that wait, oldest first. Reading one is `read_request`."""
        # One of a version without a queue: that version moved it aside first, and may have been killed then.
        before = [path for path in (self._before.with_suffix(".taken"), self._before) if path.exists()]
        return [*before, *(self._folder / name for name in self._list_names())]

    def mark_seen(self) -> None:
        """Let what waits now wake nobody any more: a look has tried it."""
        self._seen = frozenset(map(str, self.list_waiting()))

    def has_new(self) -> bool:
        """Return whether a request waits that no look has tried."""
        try:
            return any(str(path) not in self._seen for path in self.list_waiting())
        except OSError:
            return False  # the next look says what is wrong with the folder

    def drop(self, path: Path) -> None:
        """Remove a request that was carried out: it is in the journal."""
        remove_flushed([path])

    def set_aside(self, target: Path) -> bool:
        """Move the requests that wait into the folder `target`, which is made; return whether there were any."""
        if not self.list_waiting():
            return False
        make_folder(target)
        with take_turns(self._folder / ".lock"):
            for path in self.list_waiting():
                replace_file(target / path.name, path.read_bytes())  # first there, then gone here
                remove_flushed([path])
        return True

    def _list_names(self) -> list[str]:
        try:
            names = sorted(path.name for path in self._folder.iterdir() if _NAME.fullmatch(path.name))
            return sorted(names, key=_read_number)
        except FileNotFoundError:
            return []


def _read_number(name: str) -> int:
    return int(name.partition("-")[0])


def read_request(path: Path) -> Request:
    """Return the request of a file.

    ConfigError for a file that is none, PrivacyError for one that others may have put there.
    """
    require_private([path])
    try:
        row = read_json_file(path)
        by, position_id, event_id = row.get("by", "command"), row.get("position_id"), row.get("event_id")
        at = datetime.fromisoformat(row["at"])
        fits = by in _WAYS and isinstance(position_id, str | None) and isinstance(event_id, int | None)
        if not fits or isinstance(event_id, bool) or at.tzinfo is None:
            raise ValueError("a part of it is of another type")
        # The id of a file of an older version: the same file is the same request.
        request_id = path.stem if _NAME.fullmatch(path.name) else f"{path.stem}-{at.isoformat()}"
        return Request(
            wish=Wish(row["wish"]),
            at=at,
            reason=redact(str(row["reason"]))[:_LONGEST_REASON],
            by=by,
            position_id=position_id,
            event_id=event_id,
            request_id=request_id,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path} is not a request to the trading process ({type(error).__name__})",
            "remove it, and give the command again",
        ) from None
