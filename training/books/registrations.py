"""Pre-registrations of books: what will be looked at, written down before it is looked at.

A file per registration lies beside the ledger of trials, outside of every data directory:
`registrations/FAMILY-N.toml`. It holds the definition of the book, a digest of the code that makes it, and the hours of
the last look. The look itself stands in the ledger.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.bounded_files import read_text_file
from pairity.digest import digest_bytes
from pairity.durable import make_folder, replace_file, take_turns
from pairity.errors import ConfigError, DataError, TimeRangeError
from pairity.settings import Settings
from pairity.timeline import HOUR, floor_to
from training.books.code_digest import digest_book_code
from training.books.engine import BookTerms
from training.trials.ledger import TrialLedger
from training.trials.records import LookRecord

_MOST_BYTES = 100_000
_HEAD = "# Written before the hours were looked at. An edited file is refused: register again instead.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One registration; `first` and `last` are the bar closes of the look, both included, in UTC."""

    family: str
    number: int
    definition: Mapping[str, str]
    code: str
    """That of `digest_book_code`."""
    first: datetime
    last: datetime
    registered_at: datetime
    expects: str
    """What its author expects, in words."""

    @property
    def line(self) -> str:
        """What the ledger calls it: a digest of everything but the time and the words."""
        text = json.dumps([self.family, dict(self.definition), self.first.isoformat(), self.last.isoformat()])
        return digest_bytes(f"registration {text}".encode())[:32]

    @property
    def name(self) -> str:
        """Name of its file, without suffix."""
        return f"{self.family}-{self.number}"


def define_book(settings: Settings, family: BookFamily, terms: BookTerms) -> dict[str, str]:
    """Return everything that defines a book besides code and data."""
    costs = terms.costs
    return {
        "family": family.name,
        "description": family.description,
        "names": str(family.size),
        "every_hours": str(family.every_hours),
        "band": repr(family.band),
        "limits": str(terms.limits),
        "initial_equity_usdt": repr(terms.initial_equity),
        "fee_bps": repr(costs.fee_bps),
        "slippage_bps": repr(costs.slippage_bps),
        "impact": repr(costs.impact),
        "venue": settings.features.venue,
        "decision_lag_s": repr(settings.features.decision_lag.total_seconds()),
        "universe": ", ".join(settings.universe.assets),
        **({"members": ", ".join(family.members)} if family.members else {}),
    }


def register(
    settings: Settings,
    family: BookFamily,
    terms: BookTerms,
    *,
    first: datetime,
    last: datetime,
    expects: str,
    now: datetime,
) -> tuple[Registration, Path]:
    """Write a registration and return it with its path; a second one waits until the first was looked at.

    TimeRangeError for hours that are none, ConfigError while a registration of the family is open, and for a family
    that is there for comparison alone.
    """
    if not family.is_choice:
        raise ConfigError(
            f"{family.name} is no book to trade: it shows what picking the best of the past would have done",
            f"register one of {', '.join(name for name, one in BOOK_FAMILIES.items() if one.is_choice)}",
        )
    if any(floor_to(one, HOUR) != one for one in (first, last)) or last <= first:
        span = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
        raise TimeRangeError(f"{span} are no hours of a look", "name two full hours, the earlier one first")
    folder = _locate(settings)
    make_folder(folder)
    with take_turns(folder / ".lock"):
        known = read_registrations(settings, family.name)
        looks = TrialLedger.of(settings).read().looks
        if known and (open_ := known[-1]) and not list_own_looks(open_, looks):
            raise ConfigError(
                f"{open_.name} is registered since {open_.registered_at:%Y-%m-%d %H:%M} UTC and was not looked at",
                f"look first: pairity registrations look {family.name}",
            )
        made = Registration(
            family=family.name,
            number=len(known) + 1,
            definition=define_book(settings, family, terms),
            code=digest_book_code(),
            first=first,
            last=last,
            registered_at=now,
            expects=expects,
        )
        path = folder / f"{made.name}.toml"
        replace_file(path, _format(made).encode())
    return made, path


def read_registrations(settings: Settings, family: str | None = None) -> list[Registration]:
    """Return the registrations, of one family where it is named, in the order of their numbers.

    DataError for a file that is not as it was written.
    """
    found = [_read(path) for path in sorted(_locate(settings).glob("*.toml"))]
    own = [one for one in found if family is None or one.family == family]
    return sorted(own, key=lambda one: (one.family, one.number))


def list_own_looks(registration: Registration, looks: tuple[LookRecord, ...]) -> list[LookRecord]:
    """Return the looks of a ledger that were taken for this registration."""
    return [look for look in looks if look.line == registration.line]


def list_open(settings: Settings) -> list[Registration]:
    """Return the registrations that were not looked at yet."""
    known, looks = read_registrations(settings), TrialLedger.of(settings).read().looks
    return [one for one in known if not list_own_looks(one, looks)]


def list_differences(registered: Mapping[str, str], present: Mapping[str, str]) -> Iterator[str]:
    """Yield what differs between two definitions, in words."""
    for key in sorted({*registered, *present}):
        before, now = registered.get(key), present.get(key)
        if before != now:
            yield f"{key} is {now}, registered was {before}"


def _locate(settings: Settings) -> Path:
    return TrialLedger.of(settings).folder / "registrations"


def _describe(one: Registration) -> dict[str, Any]:
    return {
        "family": one.family,
        "number": one.number,
        "registered_at": one.registered_at.isoformat(),
        "first": one.first.isoformat(),
        "last": one.last.isoformat(),
        "expects": one.expects,
        "code": one.code,
        "definition": dict(one.definition),
    }


def _digest(described: Mapping[str, Any]) -> str:
    return digest_bytes(json.dumps(described, sort_keys=True, ensure_ascii=False).encode())


def _format(one: Registration) -> str:
    described = _describe(one)
    own = {key: value for key, value in described.items() if key != "definition"} | {"sha256": _digest(described)}
    lines = [*_list_lines(own), "", "[definition]", *_list_lines(one.definition)]
    return _HEAD + "\n".join(lines) + "\n"


def _list_lines(values: Mapping[str, Any]) -> Iterator[str]:
    # What JSON writes of a text or a number is TOML, too.
    return (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())


def _read(path: Path) -> Registration:
    try:
        read = tomllib.loads(read_text_file(path, _MOST_BYTES))
        made = Registration(
            family=str(read["family"]),
            number=int(read["number"]),
            definition={str(key): str(value) for key, value in read["definition"].items()},
            code=str(read["code"]),
            first=datetime.fromisoformat(read["first"]),
            last=datetime.fromisoformat(read["last"]),
            registered_at=datetime.fromisoformat(read["registered_at"]),
            expects=str(read["expects"]),
        )
        if _digest(_describe(made)) != read["sha256"] or made.name != path.stem:
            raise ValueError("its digest is another one")
    except (tomllib.TOMLDecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"the registration {path} is not as it was written: {error}", "restore it from a copy, or register again"
        ) from None
    return made
