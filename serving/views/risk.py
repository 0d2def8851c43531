"""View of risk: how far each limit is away, what is exposed, what funding will cost, what fees were paid."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import Field

from feature_repo.transforms.settlements import with_intervals
from ingestion.lake import Lake
from pairity.errors import PairityError
from pairity.strategy.types import Leg
from pairity.timeline import DAY, HOUR, floor_to
from pairity.universe import inst_id
from serving.journal.codec import time_to_text
from serving.views.base import Inputs, View, as_number
from serving.views.book_names import list_book_legs
from serving.views.status import compute_drawdown

_FUNDING_LOOK = timedelta(days=5)


class LimitLine(View):
    """One limit: what was measured against what is allowed. Null: not measured (yet), or not limited."""

    name: str
    measured: float | None
    allowed: float | None
    unit: str
    used_fraction: float | None = Field(description="1 at the limit, above 1 beyond it.")
    consequence: Literal["no entry", "halt"]


class Exposure(View):
    """What is held, at the last marks, in USDT."""

    gross_usdt: float | None
    net_usdt: float | None
    leverage: float | None
    margin_ratio: float | None = Field(description="Equity in multiples of the maintenance margin.")


class FundingLine(View):
    """Funding of one leg that is held: the rate settled last, and what it would cost at the next settlement."""

    instrument: str
    rate: float | None
    interval_h: float | None = Field(description="Hours that the rate is of; null where they are not known.")
    next_at: datetime | None
    cost_usdt: float | None = Field(description="Negative where it would be paid.")


class Fees(View):
    """Sums of fees in USDT, negative where charged; fees in a currency without a price are not in them."""

    today: float
    all: float


class RiskView(View):
    """Risk of the account."""

    limits: list[LimitLine]
    exposure: Exposure
    funding: list[FundingLine]
    fees_usdt: Fees


def view_risk(seen: Inputs) -> RiskView:
    """Return limits, exposure, funding and fees."""
    legs = [leg for record in seen.journal.open_positions() for leg in record.position.legs]
    legs += list_book_legs(seen)
    notionals = [_notional(seen, leg) for leg in legs]
    return RiskView(
        limits=_list_limits(seen, notionals),
        exposure=_view_exposure(seen, legs, notionals),
        funding=[_view_funding(seen, leg, size) for leg, size in zip(legs, notionals, strict=True)],
        fees_usdt=_sum_fees(seen),
    )


def _list_limits(seen: Inputs, notionals: list[Decimal | None]) -> list[LimitLine]:
    limits, account, drift = seen.settings.limits, seen.sightings.account, seen.sightings.drift
    measured = None if account is None else account.measures
    today = leverage = drawdown = margin = orders = rejects = None
    if measured is not None:
        if measured.day_start > 0:
            today = float(max((measured.day_start - measured.equity) / measured.day_start, Decimal(0)))
        if measured.equity > 0:
            leverage = float(measured.gross_notional / measured.equity)
        drawdown, margin = compute_drawdown(measured), as_number(measured.margin_ratio)
        orders, rejects = float(measured.orders_last_hour), float(measured.rejects_last_hour)
    skew = seen.sightings.clock_skew_s
    largest = max((float(size) for size in notionals if size is not None), default=None)
    fraction, usdt = "fraction", "USDT"
    return [
        _line("drawdown", drawdown, limits.drawdown, fraction, halt=True),
        _line("day_loss", today, limits.day_loss, fraction),
        _line("gross_leverage", leverage, limits.gross_leverage, "times equity"),
        LimitLine(
            name="limits.margin_ratio",
            measured=margin,
            allowed=limits.margin_ratio,
            unit="times maintenance margin, at least",
            used_fraction=limits.margin_ratio / margin if margin else None,
            consequence="no entry",
        ),
        _line("position_usdt", largest, limits.position_usdt, usdt),
        _line("orders_per_hour", orders, limits.orders_per_hour, "orders"),
        _line("rejects_per_hour", rejects, limits.rejects_per_hour, "refusals"),
        _line("clock_skew_s", None if skew is None else abs(skew), limits.clock_skew_s, "seconds"),
        _line("drift", None if drift is None else drift.share, limits.drift, fraction),
        _line("price_deviation", None, limits.price_deviation, fraction),
        _line("funding_rate", None, limits.funding_rate, fraction),
    ]


def _line(name: str, measured: float | None, allowed: float | None, unit: str, *, halt: bool = False) -> LimitLine:
    known = measured is not None and allowed
    return LimitLine(
        name=f"limits.{name}",
        measured=measured,
        allowed=allowed,
        unit=unit,
        used_fraction=measured / allowed if known and measured is not None and allowed else None,
        consequence="halt" if halt else "no entry",
    )


def _view_exposure(seen: Inputs, legs: list[Leg], notionals: list[Decimal | None]) -> Exposure:
    account = seen.sightings.account
    margin = None if account is None else as_number(account.measures.margin_ratio)
    if any(size is None for size in notionals):
        return Exposure(gross_usdt=None, net_usdt=None, leverage=None, margin_ratio=margin)
    known = [size for size in notionals if size is not None]
    gross = sum(known, Decimal(0))
    net = sum((leg.side.sign * size for leg, size in zip(legs, known, strict=True)), Decimal(0))
    equity = None if account is None or account.measures.equity <= 0 else account.measures.equity
    leverage = None if equity is None else float(gross / equity)
    return Exposure(gross_usdt=float(gross), net_usdt=float(net), leverage=leverage, margin_ratio=margin)


def _notional(seen: Inputs, leg: Leg) -> Decimal | None:
    """Return the value of a leg at its last mark; None where mark or contract are not known."""
    spec, there = seen.sightings.contracts.get(leg.asset), seen.sightings.positions.get(inst_id(leg.asset))
    if spec is None or there is None or there.mark_price is None:
        return None
    return spec.notional(leg.contracts, there.mark_price)


def _view_funding(seen: Inputs, leg: Leg, notional: Decimal | None) -> FundingLine:
    rate, interval_h, next_at = _read_funding(seen, leg.asset)
    # Who is long pays a positive rate.
    cost = None if rate is None or notional is None else -leg.side.sign * float(notional) * rate
    return FundingLine(instrument=inst_id(leg.asset), rate=rate, interval_h=interval_h, next_at=next_at, cost_usdt=cost)


def _read_funding(seen: Inputs, asset: str) -> tuple[float | None, float | None, datetime | None]:
    """Return the stored rate that was settled last, the hours of its interval, and when the next is settled.

    The next settlement is one more interval on; neither is known where the last two settlements are a hole apart.
    """
    lake = Lake(seen.layout, venue=seen.settings.features.venue)
    try:
        rows = lake.scan("funding", [asset], seen.now - _FUNDING_LOOK, seen.now).collect()
    except (PairityError, OSError):
        return None, None, None
    if rows.is_empty():
        return None, None, None
    newest = with_intervals(rows.lazy()).collect().row(-1, named=True)
    interval_h, next_at = newest["funding_interval_h"], None
    if interval_h is not None:
        every = interval_h * HOUR
        next_at = newest["funding_time"] + every * ((seen.now - newest["funding_time"]) // every + 1)
    return newest["funding_rate"], interval_h, next_at


def _sum_fees(seen: Inputs) -> Fees:
    query = "SELECT sum(CAST(fee_usdt AS DOUBLE PRECISION)) AS fees FROM fills WHERE fee_usdt <> '' AND at >= :since"
    today = seen.journal.ask(query, since=time_to_text(floor_to(seen.now, DAY)))[0]["fees"]
    return Fees(today=today or 0.0, all=seen.journal.ask(query, since="")[0]["fees"] or 0.0)
