"""View of the process: is it well, what does it do, how old is what it knows."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from pydantic import Field

from pairity.errors import RegistryError
from pairity.universe import short_name
from serving.journal import tables
from serving.limits import AccountMeasures
from serving.views.base import Inputs, View, as_number, parse_time, seconds_since

_LATE_S = 60.0
"""How long after the moment of a decision it may still be missing before what is shown counts as stale."""
GateWord = Literal["passed", "failed", "unknown"]


class DecisionLine(View):
    """The last decision, and when the next one is made."""

    last_at: datetime | None
    next_at: datetime | None
    interval_s: int
    action: str | None
    reason: str | None
    event_timestamp: datetime | None = Field(description="Close of the bar that was decided on.")


class DataAge(View):
    """Age of the newest bar that was decided on."""

    event_timestamp: datetime | None
    age_s: float | None
    fresh: bool
    stale_after_s: float
    reason: str | None = Field(description="Why it is not fresh; null where it is.")


class VenueLink(View):
    """Whether the venue answered at the last look, and how long ago it last did."""

    reachable: bool | None
    watched_at: datetime | None
    age_s: float | None
    stream: dict[str, Any] | None
    clock_skew_s: float | None


class AccountLine(View):
    """The account as it was last measured, in USDT."""

    equity_usdt: float | None
    available_usdt: float | None
    as_of: datetime | None
    today_usdt: float | None = Field(description="Result since 00:00 UTC, unrealised included, payments counted out.")
    today_fraction: float | None
    open_result_usdt: float | None = Field(description="Unrealised result of the positions of this process.")
    drawdown_fraction: float | None


class ModelLine(View):
    """The model version that decides."""

    name: str | None
    version: str | None
    run_id: str | None
    sha256: str | None
    snapshot_id: str | None
    train_end: str | None
    gate: GateWord
    gate_reason: str


class Counts(View):
    """How many there are of what a person may have to look at."""

    positions: int
    resting_orders: int
    unusable: int
    problems: int
    unacknowledged: int


class StatusView(View):
    """State of the process."""

    mode: str
    market: str
    venue: str
    margin_mode: str = Field(description="Margin mode of entries; a position says its own.")
    version: str
    started_at: datetime | None
    now: datetime
    state: str
    trading: str
    trading_reason: str
    trading_since: datetime | None
    causes: dict[str, str]
    blocked: dict[str, str]
    decision: DecisionLine
    data: DataAge
    venue_link: VenueLink
    account: AccountLine
    model: ModelLine
    challenger: dict[str, Any] | None
    retraining: str | None
    lease: str | None
    counts: Counts
    problems: list[str]
    can_act: bool
    synthetic: bool = Field(description="Whether a paper exchange answers, and not OKX itself.")


def view_status(seen: Inputs) -> StatusView:
    """Return the state of the process; what the journal cannot say now counts as none."""
    status, sightings, settings = seen.status, seen.sightings, seen.settings
    return StatusView(
        mode=status.mode,
        market=status.market,
        venue=settings.features.venue,
        margin_mode=settings.strategy.margin_mode.value,
        version=read_version(),
        started_at=sightings.started_at,
        now=seen.now,
        state=status.state,
        trading=status.trading,
        trading_reason=status.trading_reason,
        trading_since=parse_time(status.trading_since),
        causes=status.causes,
        blocked=status.blocked,
        decision=_view_decision(seen),
        data=_view_data(seen),
        venue_link=VenueLink(
            reachable=sightings.reachable,
            watched_at=parse_time(status.watched),
            age_s=seconds_since(seen.now, parse_time(status.watched)),
            stream=status.stream,
            clock_skew_s=sightings.clock_skew_s,
        ),
        account=_view_account(seen),
        model=view_model_line(seen),
        challenger=status.challenger,
        retraining=status.retraining,
        lease=status.lease,
        counts=_count(seen),
        problems=status.problems,
        can_act=getattr(settings.serve, "control_token", None) is not None,
        synthetic=status.mode == "paper",
    )


def read_version() -> str:
    """Return the version of this program."""
    try:
        return version("pairity")
    except PackageNotFoundError:
        return "unknown"


def view_model_line(seen: Inputs) -> ModelLine:
    """Return the champion with the gate's verdict."""
    model = seen.sightings.model
    gate: GateWord = "unknown"
    reason = "the gate was not asked" if model is not None else "no model is loaded"
    if model is not None and model.gate in ("passed", "failed"):
        gate = "passed" if model.gate == "passed" else "failed"
        try:
            reason = model.verdict.reason if model.verdict is not None else "its checks were not recorded"
        except RegistryError as error:
            gate, reason = "unknown", error.what
    shown = {name: seen.status.model.get(name) for name in ModelLine.model_fields if not name.startswith("gate")}
    return ModelLine(**shown, gate=gate, gate_reason=reason)


def compute_drawdown(measured: AccountMeasures) -> float | None:
    """Return by which fraction the equity is below its peak, 0 at it; None where there was nothing."""
    fall = max(measured.peak - measured.equity, Decimal(0))
    return float(fall / measured.peak) if measured.peak > 0 else None


def _view_decision(seen: Inputs) -> DecisionLine:
    status = seen.status
    last = None
    if status.decision_time is None:  # since the start; the journal knows of earlier ones
        last = next(iter(seen.journal.ask(_LAST_DECISION)), None)
    return DecisionLine(
        last_at=parse_time(last["decision_time"] if last else status.decision_time),
        next_at=seen.sightings.next_decision_at,
        interval_s=seen.settings.serve.interval_minutes * 60,
        action=status.action or (last["action"] if last else None),
        reason=status.reason or (last["reason"] if last else None),
        # A book sees to bars between its decisions, too.
        event_timestamp=parse_time(status.event_timestamp or (last["event_timestamp"] if last else None)),
    )


_LAST_DECISION = """
    SELECT decision_time, action, reason, event_timestamp FROM decisions ORDER BY event_timestamp DESC LIMIT 1
"""


def _view_data(seen: Inputs) -> DataAge:
    bar = _view_decision(seen).event_timestamp
    age_s = seconds_since(seen.now, bar)
    stale_after_s = seen.settings.serve.interval_minutes * 60 + seen.settings.features.decision_lag_s + _LATE_S
    reason = seen.status.causes.get("data") or seen.sightings.blind
    if bar is None or age_s is None:
        reason = reason or "nothing was decided yet"
    elif age_s > stale_after_s:
        reason = reason or f"the last bar that was decided on closed at {bar:%Y-%m-%d %H:%M} UTC"
    return DataAge(event_timestamp=bar, age_s=age_s, fresh=reason is None, stale_after_s=stale_after_s, reason=reason)


def _view_account(seen: Inputs) -> AccountLine:
    account, status = seen.sightings.account, seen.status
    if account is None:
        return AccountLine(
            equity_usdt=status.equity_usdt,
            available_usdt=status.available_usdt,
            as_of=None,
            today_usdt=None,
            today_fraction=None,
            open_result_usdt=_sum_open_results(seen),
            drawdown_fraction=None,
        )
    measured = account.measures
    today = measured.equity - measured.day_start
    return AccountLine(
        equity_usdt=float(measured.equity),
        available_usdt=float(account.available),
        as_of=measured.at,
        today_usdt=float(today),
        today_fraction=float(today / measured.day_start) if measured.day_start > 0 else None,
        open_result_usdt=_sum_open_results(seen),
        drawdown_fraction=compute_drawdown(measured),
    )


def _sum_open_results(seen: Inputs) -> float | None:
    """Return the unrealised result of our positions; None where the venue has not said one of them."""
    sightings = seen.sightings
    if sightings.positions_at is None:
        return None
    ours = {asset for record in seen.journal.open_positions() for asset in (leg.asset for leg in record.position.legs)}
    ours |= {short_name(instrument) for instrument in seen.journal.books.count_held()}
    rows = [row for name, row in sightings.positions.items() if short_name(name) in ours]
    results = [as_number(row.unrealised_pnl_usdt) for row in rows]
    known = [value for value in results if value is not None]
    return sum(known) if len(known) == len(ours) else None


_RESTING = """
    SELECT count(*) AS n FROM intents WHERE purpose <> 'protect' AND state IN ('sent', 'unknown', 'acknowledged')
"""


def _count(seen: Inputs) -> Counts:
    return Counts(
        positions=int(seen.journal.ask("SELECT count(*) AS n FROM positions WHERE closed_at IS NULL")[0]["n"])
        + len(seen.journal.books.count_held()),
        resting_orders=int(seen.journal.ask(_RESTING)[0]["n"]),
        unusable=len(seen.status.unusable),
        problems=len(seen.status.problems),
        unacknowledged=count_unacknowledged(seen),
    )


def count_unacknowledged(seen: Inputs) -> int:
    """Return how many events wait for a person; 0 where the journal keeps none."""
    if not seen.journal.has_table(tables.events):
        return 0
    waiting = "SELECT count(*) AS n FROM events WHERE acknowledged_at IS NULL AND severity <> 'info'"
    return int(seen.journal.ask(waiting)[0]["n"])
