"""Rivals: what is known of other processes of this program on the account, and until when each counts as alive.

seen                                                     then it is alive
a sign of life: the account is held                      for HELD_FOR from it
a sign of life: the account is released                  no more
an order it sent, or a stop it placed, after all that    for SILENT_FOR from it: it may be one without signs

A copy of this very journal (a data directory that was copied to another machine) has our tag: it is told from an
earlier process of ours by a sign that is younger than our own first one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from serving.journal import is_of_pairity, scope_tag
from serving.rivals.signs import is_sent, read_sign, read_tag

HELD_FOR = timedelta(minutes=15)
"""How long a sign of life counts: a process that was killed holds the account no longer."""
SILENT_FOR = timedelta(hours=2)
"""How long an order counts as a sign of a process without others. The venue forgets cancelled orders after that."""
_Name = tuple[str, str]


class _Signed(NamedTuple):
    """Newest sign of life of a process."""

    at: datetime
    held: bool


class Rivals:
    """Rivals of one process; `scope` is that of its journal, `process` its own name, `owns` knows the journal's ids."""

    def __init__(self, scope: str, process: str, owns: Callable[[str], bool]) -> None:
        self._tag, self._process, self._owns = scope_tag(scope), process, owns
        self._signs: dict[_Name, _Signed] = {}
        self._orders: dict[str, tuple[datetime, str]] = {}
        self._first_own: datetime | None = None
        self._forgiven_until: datetime | None = None

    def see_order(self, client_id: str, at: datetime) -> None:
        """Note an order of the account that was placed or finished at `at`, by the venue's clock."""
        if not is_of_pairity(client_id):
            return
        sign = read_sign(client_id)
        if sign is None:
            if is_sent(client_id) and not self._owns(client_id):
                self._note_order(client_id, at)
        elif (sign.tag, sign.process) == (self._tag, self._process):
            self._first_own = at if self._first_own is None else min(self._first_own, at)
        else:
            name, known = (sign.tag, sign.process), self._signs.get((sign.tag, sign.process))
            # Of two at one instant the release is the later one: nothing comes after it.
            if known is None or (at, not sign.held) >= (known.at, not known.held):
                self._signs[name] = _Signed(at, sign.held)

    def see_resting(self, client_id: str, at: datetime) -> None:
        """Note an order or a stop of another journal that rests, and was placed at `at`."""
        if is_of_pairity(client_id) and not self._owns(client_id):
            self._note_order(client_id, at)

    def forgive(self, at: datetime) -> None:
        """Forget what was seen until `at`: a person says that nobody else trades here. What comes later counts."""
        self._forgiven_until = at

    def list_alive(self, now: datetime) -> dict[str, str]:
        """Return the rivals that count as alive at `now`, with what says so."""
        self._forget(now)
        alive = {}
        for (tag, process), sign in sorted(self._signs.items()):
            if not sign.held or now >= sign.at + HELD_FOR or self._is_forgiven(sign.at):
                continue
            if tag != self._tag:
                alive[f"{tag} {process}"] = f"process {process} of journal {tag} holds this account"
            elif self._first_own is not None and sign.at > self._first_own:
                alive[f"{tag} {process}"] = f"process {process} trades here with a copy of this journal ({tag})"
        for tag, (at, client_id) in sorted(self._orders.items()):
            if now < at + SILENT_FOR and not self._is_explained(tag, at) and not self._is_forgiven(at):
                alive.setdefault(tag, f"another pairity process (journal {tag}) sent the order {client_id}")
        return alive

    def has_copy(self, now: datetime) -> bool:
        """Return whether a process with a copy of this journal is alive: ids with our tag may be its own then."""
        return any(name.startswith(f"{self._tag} ") for name in self.list_alive(now))

    def _forget(self, now: datetime) -> None:
        """Forget what cannot say anything any more: a process runs for months, and others come and go."""
        oldest = now - SILENT_FOR - HELD_FOR
        self._signs = {name: sign for name, sign in self._signs.items() if sign.at > oldest}
        self._orders = {tag: seen for tag, seen in self._orders.items() if seen[0] > oldest}

    def _note_order(self, client_id: str, at: datetime) -> None:
        tag = read_tag(client_id)
        if tag not in self._orders or at > self._orders[tag][0]:
            self._orders[tag] = (at, client_id)

    def _is_explained(self, tag: str, at: datetime) -> bool:
        """Return whether signs of life say more of a journal's process than its order at `at` does."""
        signs = [sign for (of, _), sign in self._signs.items() if of == tag]
        return any(at <= (sign.at + HELD_FOR if sign.held else sign.at) for sign in signs)

    def _is_forgiven(self, at: datetime) -> bool:
        return self._forgiven_until is not None and at <= self._forgiven_until
