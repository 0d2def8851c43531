"""The ledger: how far each sequence of signed statements has come, kept beside the key and outside the registry.

A signature proves that a statement was made once, not that it is the newest. Whoever can write into the registry can
put an older alias, verdict or a whole older database back, with genuine signatures. The ledger knows for each subject
(an alias, the verdict on a version, …) the number of the newest statement: an older one does not count any more.

A number is taken down as `issued` before its statement is written anywhere and as `reached` after it is in force. A
process that is killed in between leaves both statements valid, the old one and the new one, and never none.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

from model_registry.signing_key import KeyPlace
from model_registry.statements import render
from pairity.errors import SignatureError

_PURPOSE = b"pairity model ledger 1\n"


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of one sequence; all zero where nothing was ever signed."""

    issued: int = 0
    """Newest number that was given out: a higher one was not signed here."""
    reached: int = 0
    """Newest number that was in force: a lower one has been replaced."""
    version: str = ""
    """Model version that the statement in force is about."""

    def allows(self, sequence: int) -> bool:
        """Return whether a statement of that number may be in force."""
        return max(1, self.reached) <= sequence <= self.issued


class Ledger:
    """Ledger of one data directory, as it was when it was read. `store` names the directory's registry.

    `databases` names the shared databases in which statements about it were stored, without passwords.
    """

    def __init__(self, store: str, entries: dict[str, dict[str, Progress]], databases: tuple[str, ...] = ()) -> None:
        self.store = store
        self.databases = databases
        self._entries = entries

    def progress(self, name: str, subject: str) -> Progress:
        """Return how far a sequence of the model `name` has come."""
        return self._entries.get(name, {}).get(subject, Progress())

    def with_progress(self, name: str, subject: str, progress: Progress) -> Ledger:
        """Return the ledger with another progress of one sequence."""
        entries = {**self._entries, name: {**self._entries.get(name, {}), subject: progress}}
        return Ledger(self.store, entries, self.databases)

    def with_databases(self, databases: Iterable[str]) -> Ledger:
        """Return the ledger with other names of databases."""
        return Ledger(self.store, self._entries, tuple(sorted(set(databases))))

    def to_json(self) -> dict[str, object]:
        """Return it as it is signed and stored."""
        entries = {
            name: {subject: asdict(progress) for subject, progress in subjects.items()}
            for name, subjects in self._entries.items()
        }
        named = {"databases": list(self.databases)} if self.databases else {}
        return {"store": self.store, "entries": entries, **named}


def read_ledger(place: KeyPlace, store: str) -> Ledger:
    """Return the ledger of a registry; an empty one where nothing was signed. SignatureError where it was changed."""
    file = _file_of(place, store)
    content = place.folder.read(file)
    if content is None:
        return Ledger(store, {})
    return _parse(place, file, content, store)


def list_ledgers(place: KeyPlace) -> list[Ledger]:
    """Return the ledgers beside the key; SignatureError where one was changed."""
    ledgers = []
    for file in place.folder.list_names():
        if file.startswith(_prefix_of(place)):
            content = place.folder.read(file)
            if content is not None:
                ledgers.append(_parse(place, file, content, None))
    return ledgers


def note_database(place: KeyPlace, store: str, database: str) -> None:
    """Take down that statements about a registry are stored in a shared database: an exchange of the key asks there."""
    with _changing(place, store) as change:
        if database not in change.ledger.databases:
            change.ledger = change.ledger.with_databases([*change.ledger.databases, database])


def forget_databases(place: KeyPlace, store: str, databases: Iterable[str]) -> None:
    """Strike out databases in which no statement of the keys is left."""
    with _changing(place, store) as change:
        left = set(change.ledger.databases) - set(databases)
        if len(left) < len(change.ledger.databases):
            change.ledger = change.ledger.with_databases(left)


def issue(place: KeyPlace, store: str, name: str, subject: str) -> int:
    """Take down the next number of a sequence, and return it."""
    with _changing(place, store) as change:
        known = change.ledger.progress(name, subject)
        # Above what was reached too: a number is never given out twice
        number = max(known.issued, known.reached) + 1
        change.ledger = change.ledger.with_progress(name, subject, replace(known, issued=number))
        return number


def reach(place: KeyPlace, store: str, name: str, subject: str, sequence: int, version: str) -> None:
    """Take down that a statement is in force; every older one of its sequence does not count from now on."""
    with _changing(place, store) as change:
        known = change.ledger.progress(name, subject)
        if sequence > known.reached:
            reached = Progress(max(known.issued, sequence), sequence, version)
            change.ledger = change.ledger.with_progress(name, subject, reached)


def sign_anew(place: KeyPlace, store: str) -> None:
    """Write a ledger again, with the key that signs now."""
    with place.folder.take_turns("ledger"):
        _write(place, read_ledger(place, store))


@dataclass
class _Change:
    ledger: Ledger


@contextmanager
def _changing(place: KeyPlace, store: str) -> Iterator[_Change]:
    with place.folder.take_turns("ledger"):
        before = read_ledger(place, store)
        change = _Change(before)
        yield change
        if change.ledger is not before:
            _write(place, change.ledger)


def _write(place: KeyPlace, ledger: Ledger) -> None:
    content, keys = ledger.to_json(), place.keys
    signed = {**content, "key": keys.signing.key_id, "code": _compute_code(content, keys.signing.secret)}
    place.folder.write(_file_of(place, ledger.store), json.dumps(signed, indent=1, sort_keys=True).encode() + b"\n")


def _parse(place: KeyPlace, file: str, content: bytes, store: str | None) -> Ledger:
    broken = SignatureError(
        f"{place.folder.path / file} was not written with the signing key beside it",
        # The key too: under the same key numbers would begin again, and old signatures would count once more
        "restore both from one copy; or remove the key too and sign the versions again: pairity models sign",
    )
    try:
        read = json.loads(content)
        key = place.keys.find(read.pop("key"))
        code = read.pop("code")
        if key is None or not hmac.compare_digest(_compute_code(read, key.secret).encode(), str(code).encode()):
            raise broken
        entries = {
            name: {subject: Progress(**values) for subject, values in subjects.items()}
            for name, subjects in read["entries"].items()
        }
        found = str(read["store"])
        databases = tuple(map(str, read.get("databases", ())))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise broken from None
    if store is not None and found != store:
        raise broken
    return Ledger(found, entries, databases)


def _compute_code(content: dict[str, object], secret: bytes) -> str:
    return hmac.new(secret, _PURPOSE + render(content), hashlib.sha256).hexdigest()


def _prefix_of(place: KeyPlace) -> str:
    return f"{place.name}.ledger-"


def _file_of(place: KeyPlace, store: str) -> str:
    return f"{_prefix_of(place)}{hashlib.sha256(store.encode()).hexdigest()[:32]}.json"
