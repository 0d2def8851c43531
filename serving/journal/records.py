"""Records of the journal. Reading back gives what was written, to the last bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from pairity.margin import MarginMode
from pairity.strategy.types import Decision, PairPosition, Side

Value = float | int | str | bool | None
"""A feature value; None is "not known"."""

ID_PREFIX = "pairity"
"""Beginning of the client id of every order of ours; an order without it is not ours to touch."""


class Purpose(StrEnum):
    """Purpose of an order."""

    ENTRY = "entry"
    EXIT = "exit"
    PROTECT = "protect"
    INCREASE = "increase"
    """More of a name of a book, either way."""
    REDUCE = "reduce"
    """Less of a name of a book, reduce-only."""


class IntentState(StrEnum):
    """Progress of an intention. `sent` is written before the request leaves: sent and silent means unknown."""

    INTENDED = "intended"
    SENT = "sent"
    UNKNOWN = "unknown"
    ACKNOWLEDGED = "acknowledged"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    @property
    def final(self) -> bool:
        """Whether nothing more can happen to the order."""
        return self in {IntentState.FILLED, IntentState.CANCELLED, IntentState.REJECTED}


_S = IntentState
TRANSITIONS: Mapping[IntentState, frozenset[IntentState]] = {
    _S.INTENDED: frozenset({_S.SENT, _S.CANCELLED}),
    # Back to intended: the venue certainly never acted on the request.
    _S.SENT: frozenset({_S.INTENDED, _S.UNKNOWN, _S.ACKNOWLEDGED, _S.FILLED, _S.CANCELLED, _S.REJECTED}),
    _S.UNKNOWN: frozenset({_S.INTENDED, _S.UNKNOWN, _S.ACKNOWLEDGED, _S.FILLED, _S.CANCELLED, _S.REJECTED}),
    _S.ACKNOWLEDGED: frozenset({_S.ACKNOWLEDGED, _S.FILLED, _S.CANCELLED, _S.REJECTED}),
    _S.FILLED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.REJECTED: frozenset(),
}
"""For each state, the states that may follow it."""


class TradingState(StrEnum):
    """State of the trading process."""

    TRADING = "trading"
    """Everything is allowed."""
    GUARDING = "guarding"
    """No entries; exits, protection and reconciliation go on, and what failed is tried again."""
    HALTED = "halted"
    """No entries and no exits of the strategy; protection stays. Only a person lifts it."""


@dataclass(frozen=True, slots=True)
class StateRecord:
    """One change of the process's state: since when and why, `by` whom (`process` or `person`).

    `flatten`: a halt that closes what is open.
    """

    at: datetime
    state: TradingState
    reason: str
    by: str = "process"
    flatten: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the trading process."""

    run_id: str
    started_at: datetime
    mode: str
    settings_digest: str
    model_name: str
    model_version: str
    model_sha256: str
    code_revision: str


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision: when it was made, on which bar (its close), by which model, and its whole outcome."""

    decision_id: str
    run_id: str
    decision_time: datetime
    event_timestamp: datetime
    feature_service: str
    model_name: str
    model_version: str
    model_sha256: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class FeatureVector:
    """The features of one entity as the decision saw them; `event_timestamp` None: the store knew nothing."""

    decision_id: str
    service: str
    entity: str
    event_timestamp: datetime | None
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class ShadowRecord:
    """The challenger's scores for one decision, on the same vectors. It decided nothing.

    `probabilities` per pair id are None where the pair could not be scored. `choice` is the best candidate (pair id),
    None without one. `failure` says why nothing was scored; then both are empty.
    """

    decision_id: str
    decision_time: datetime
    model_name: str
    model_version: str
    model_sha256: str
    probabilities: Mapping[str, float | None]
    choice: str | None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Retraining:
    """One retraining that the trading process started. `ended_at` None: it runs, or its end was not seen.

    `exit_code` is the job's own, negative the signal that ended it; `summary` its last line.
    """

    due_at: datetime
    run_id: str
    started_at: datetime
    ended_at: datetime | None = None
    exit_code: int | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """One order that must be carried out exactly once. Sizes are contracts.

    For a protective order `filled` means triggered and `acknowledged` that it rests on the venue.
    """

    client_order_id: str
    decision_id: str | None
    position_id: str
    leg: int
    purpose: Purpose
    attempt: int
    instrument: str
    side: Side
    contracts: Decimal
    order_type: str
    reduce_only: bool
    stop_price: Decimal | None
    target_price: Decimal | None
    created_at: datetime
    state: IntentState = IntentState.INTENDED
    order_id: str | None = None
    filled_contracts: Decimal = Decimal(0)
    average_price: Decimal | None = None
    margin_mode: MarginMode = MarginMode.CROSS


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One transition of an intent, with what the venue said."""

    client_order_id: str
    at: datetime
    state: IntentState
    answer: str


class Charge(NamedTuple):
    """Fee as the venue charged it, negative where it was paid."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `fee_usdt` is negative where it was charged; `pnl_usdt` is gross, 0 when opening.

    `charged` is the fee in another currency than USDT, None where it was USDT; `fee_usdt` is then its worth at the
    time of the execution, or None where the venue had no price of that currency.
    """

    instrument: str
    trade_id: str
    order_id: str
    position_id: str
    client_order_id: str
    side: Side
    contracts: Decimal
    price: Decimal
    fee_usdt: Decimal | None
    pnl_usdt: Decimal
    at: datetime
    charged: Charge | None = None


@dataclass(frozen=True, slots=True)
class PositionClose:
    """End of a position. `exit_reason` is an ExitReason, or `manual`, `unprotected`, `leg_risk`, `unknown`.

    `exit_price`, gross `pnl_usdt`, `fees_usdt` (all fills of the position, negative where charged) and `funding_usdt`
    (negative where paid) are None where the venue did not say.
    """

    closed_at: datetime
    exit_reason: str
    exit_price: Decimal | None = None
    pnl_usdt: Decimal | None = None
    fees_usdt: Decimal | None = None
    funding_usdt: Decimal | None = None

    @property
    def net_usdt(self) -> Decimal | None:
        """Profit after fees and funding; None where a part of it is not known."""
        if self.pnl_usdt is None or self.fees_usdt is None or self.funding_usdt is None:
            return None
        return self.pnl_usdt + self.fees_usdt + self.funding_usdt


@dataclass(frozen=True, slots=True)
class PositionRecord:
    """A position of ours, open (`close` None) or closed."""

    position: PairPosition
    close: PositionClose | None = None


class Rescaling(NamedTuple):
    """Change of the value of a contract that is held: the contracts that a position has of it from `at` on."""

    instrument: str
    at: datetime
    contracts: Decimal


@dataclass(frozen=True, slots=True)
class EquityMark:
    """The account's equity at an instant, unrealised results included, in USDT.

    `paid_in_usdt` is what was paid in since the first mark, less what was paid out. `peak_usdt` is the highest equity
    of all marks up to this one, each without what was paid in before it.
    """

    at: datetime
    equity_usdt: Decimal
    paid_in_usdt: Decimal
    peak_usdt: Decimal

    @property
    def earned_usdt(self) -> Decimal:
        """Equity without what was paid in since the first mark."""
        return self.equity_usdt - self.paid_in_usdt


@dataclass(frozen=True, slots=True)
class Trace:
    """An order with everything it came from; `decision` and `run` are None for an adopted position."""

    intent: Intent
    events: tuple[OrderEvent, ...]
    fills: tuple[Fill, ...]
    position: PositionRecord | None
    decision: DecisionRecord | None
    run: Run | None
    vectors: tuple[FeatureVector, ...] = field(default=())


_LETTERS = {
    Purpose.ENTRY: "e",
    Purpose.EXIT: "x",
    Purpose.PROTECT: "s",
    Purpose.INCREASE: "i",
    Purpose.REDUCE: "r",
}


def decision_id(scope: str, event_timestamp: datetime) -> str:
    """Return the id of the decision on one bar within one journal (`scope`): the same after every restart.

    >>> decision_id("demo", datetime(2025, 3, 18, 17, tzinfo=UTC))
    'd7df4c72ff5c55ba3c1bcb5e'
    """
    return "d" + _digest(scope, event_timestamp.astimezone(UTC).isoformat())[:23]


def client_order_id(scope: str, position_id: str, leg: int, purpose: Purpose, attempt: int = 0) -> str:
    """Return 32 letters and digits, the same for the same intention: a restart finds its own order again.

    32 is the most that OKX accepts (docs/okx-protocol.md); eight of them are the journal's own (`scope_tag`).

    >>> client_order_id("d1", "BTC__ETH@20250318T1700Z", 0, Purpose.ENTRY)
    'pairitye8b53639fef03369108a28cab'
    """
    letter = _LETTERS[purpose]
    return f"{ID_PREFIX}{letter}{scope_tag(scope)}{_digest(scope, position_id, str(leg), purpose, str(attempt))[:16]}"


def scope_tag(scope: str) -> str:
    """Return the eight signs that every id of a journal has behind its prefix and its letter."""
    return _digest(scope)[:8]


def is_of_pairity(client_id: str) -> bool:
    """Return whether an id is of this program, of whichever journal: only `Journal.owns` says that it is ours."""
    return client_id.startswith(ID_PREFIX)


def _digest(*parts: str) -> str:
    # A separator that no part contains: ("ab", "c") and ("a", "bc") must not share an id.
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
