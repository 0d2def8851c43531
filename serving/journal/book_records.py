"""Records of a book's decisions: what is held of each name, what is wanted, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from pairity.books.members import MemberState
from serving.journal.member_json import member_from_json, member_to_json

BOOK_VERSION = "book"
"""Version in the decisions of books: they are no registered models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookName:
    """One name at a decision. Weights are signed fractions of equity, contracts signed; None is *not known*."""

    name: str
    score: float | None
    volatility: float | None
    """Standard deviation of hourly log returns."""
    wanted: float
    """Weight that the family asks for."""
    target: float
    """Weight within the limits."""
    weight: float
    """Weight that prices have drifted to."""
    cause: str
    """Why it is traded, or not (`pairity.books.rebalance.Cause`)."""
    why: str
    """Why the family wants this weight."""
    price: float | None
    """Close that sizes were found at, USDT."""
    held: Decimal
    contracts: Decimal
    """Contracts to hold from now on."""
    opened_at: datetime | None = None
    """Close of the decision since which it is held on this side; None where it is not held."""

    @property
    def is_traded(self) -> bool:
        """Whether orders follow."""
        return self.held != self.contracts


@dataclass(frozen=True, slots=True, kw_only=True)
class RealisedVolatility:
    """What a target of volatility was compared with: of the unscaled book over the sixty days to the decision's close.

    It follows from the stored bars and features of `names` as known at `known_at`, and so can be measured again.
    """

    value: float | None
    """Annualised; None where it was not known."""
    target: float
    names: tuple[str, ...]
    """Names that could be traded, in the order of the universe."""
    known_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkedMembers:
    """What members of a combination decided since the decision before was computed from.

    It follows from the stored bars and features of `names` as known at `known_at`, and so can be computed again.
    """

    names: tuple[str, ...]
    """Names that could be traded, in the order of the universe."""
    known_at: datetime
    cost_bps: float
    """What trading was taken to cost, basis points of notional a side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRecord:
    """One decision of a book on the bar that closed at `close`; `equity_usdt` is at that bar's closes."""

    decision_id: str
    family: str
    close: datetime
    equity_usdt: float
    names: tuple[BookName, ...]
    steps: tuple[str, ...]
    """What each limit did, in words."""
    pairs: Mapping[tuple[str, str], int]
    """Pairs that are held from now on, by family; +1: long the first name."""
    volatility: RealisedVolatility | None = None
    """None without a target of volatility, and in decisions of releases that did not keep it."""
    hours_left: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """For how many hours each of these pairs is to be held from now on; empty where pairs have no end."""
    smoothed: Mapping[tuple[int, str], float] = field(default_factory=dict)
    """Forecasts that the next decision smooths on, by days of horizon and name; empty for a book without any."""
    members: Mapping[str, MemberState] = field(default_factory=dict)
    """Of combined books: what each of them wants, and what its next decision goes on from."""
    walked: WalkedMembers | None = None
    """None without members, and in the first decision of a combination."""

    def find(self, name: str) -> BookName | None:
        """Return what was decided of a name; None where it was neither held nor wanted."""
        return next((one for one in self.names if one.name == name), None)


def book_to_json(book: BookRecord) -> str:
    """Return everything of a decision but its id and family; floats come back to the last bit."""
    names = [
        {
            **asdict(one),
            "held": str(one.held),
            "contracts": str(one.contracts),
            "opened_at": None if one.opened_at is None else one.opened_at.isoformat(),
        }
        for one in book.names
    ]
    content: dict[str, Any] = {
        "close": book.close.isoformat(),
        "equity_usdt": book.equity_usdt,
        "names": names,
        "steps": list(book.steps),
        "pairs": [[*pair, side] for pair, side in sorted(book.pairs.items())],
        "hours_left": [[*pair, hours] for pair, hours in sorted(book.hours_left.items())],
        "smoothed": [[*key, value] for key, value in sorted(book.smoothed.items())],
    }
    if (measured := book.volatility) is not None:
        content["volatility"] = {**asdict(measured), "known_at": measured.known_at.isoformat()}
    if book.members:
        content["members"] = {name: member_to_json(one) for name, one in book.members.items()}
    if (walked := book.walked) is not None:
        content["walked"] = {**asdict(walked), "known_at": walked.known_at.isoformat()}
    return json.dumps(content, allow_nan=False)


def book_from_json(decision_id: str, family: str, text: str) -> BookRecord:
    """Return the decision of a text by `book_to_json`."""
    content: dict[str, Any] = json.loads(text)
    names = tuple(_read_name(one) for one in content["names"])
    return BookRecord(
        decision_id=decision_id,
        family=family,
        close=datetime.fromisoformat(content["close"]),
        equity_usdt=content["equity_usdt"],
        names=names,
        steps=tuple(content["steps"]),
        pairs={(base, quote): side for base, quote, side in content["pairs"]},
        volatility=_read_volatility(content.get("volatility")),
        members={one: member_from_json(row) for one, row in content.get("members", {}).items()},
        walked=_read_walked(content.get("walked")),
        # Decisions of earlier releases have neither.
        hours_left={(base, quote): hours for base, quote, hours in content.get("hours_left", [])},
        smoothed={(days, name): value for days, name, value in content.get("smoothed", [])},
    )


def _read_volatility(row: dict[str, Any] | None) -> RealisedVolatility | None:
    if row is None:
        return None
    known_at = datetime.fromisoformat(row["known_at"])
    return RealisedVolatility(**{**row, "names": tuple(row["names"]), "known_at": known_at})


def _read_walked(row: dict[str, Any] | None) -> WalkedMembers | None:
    if row is None:
        return None
    known_at = datetime.fromisoformat(row["known_at"])
    return WalkedMembers(**{**row, "names": tuple(row["names"]), "known_at": known_at})


def _read_name(row: dict[str, Any]) -> BookName:
    opened = row["opened_at"]
    exactly = {name: Decimal(row[name]) for name in ("held", "contracts")}
    return BookName(**{**row, **exactly, "opened_at": None if opened is None else datetime.fromisoformat(opened)})
