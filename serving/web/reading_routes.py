"""Routes of the reading API: each names a view, and how long its answer is the same for everybody."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from serving.views.base import MOST_ITEMS, Cut, Inputs, Page
from serving.views.decisions import (
    DecisionItem,
    DecisionView,
    HeatMap,
    read_decision,
    view_decision,
    view_decisions,
    view_heatmap,
)
from serving.views.equity import EquityView, Range, view_equity
from serving.views.events import EventFilter, EventView, Severity, view_events
from serving.views.lineage import PairFeatures, view_pair_features
from serving.views.model import ModelView, view_model
from serving.views.orders import OrderFilter, OrderView, view_orders
from serving.views.positions import PositionView, view_positions
from serving.views.prices import MOST_HOURS, CandleView, SeriesView, view_candles, view_series
from serving.views.risk import RiskView, view_risk
from serving.views.status import StatusView, view_status
from serving.views.trades import (
    CalendarItem,
    Period,
    Result,
    TradeFilter,
    TradeView,
    view_calendar,
    view_trades,
    write_trades_csv,
)
from serving.views.trust import TrustView, view_trust
from serving.web.answers import Answers, Pace
from serving.web.errors import API, NOT_FOUND, RESPONSES


def _require_date(text: object) -> object:
    """Refuse a bare number, which would be taken for the seconds since 1970."""
    if isinstance(text, str) and not _DATE.match(text):
        raise ValueError("write it as 2026-01-31T12:00:00Z")
    return text


def _require_digits(text: object) -> object:
    """Refuse other spellings of a number than the plain one."""
    if isinstance(text, str) and not _DIGITS.fullmatch(text):
        raise ValueError("write it in digits")
    return text


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("is beyond the calendar") from None


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T|$)")
_DIGITS = re.compile(r"-?[0-9]{1,9}")
Name = Annotated[str, Field(min_length=1, max_length=200)]
Instant = Annotated[datetime, BeforeValidator(_require_date), AfterValidator(_in_utc)]
Hours = Annotated[int, Field(ge=1, le=MOST_HOURS), BeforeValidator(_require_digits)]
Limit = Annotated[int, Field(ge=1, le=MOST_ITEMS), BeforeValidator(_require_digits)]


class Asked(BaseModel):
    """Base of what may be asked: names that mean nothing are refused and not passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListAsked(Asked):
    """Part of a list."""

    limit: Limit = 50
    before: Annotated[str, Field(max_length=1000)] | None = None

    @property
    def cut(self) -> Cut:
        """The part."""
        return Cut(self.limit, self.before)


class OrdersAsked(ListAsked):
    """Part of the orders."""

    position_id: Name | None = None
    decision_id: Name | None = None
    instrument: Name | None = None
    purpose: Literal["entry", "exit", "protect"] | None = None
    state: Literal["intended", "sent", "unknown", "acknowledged", "filled", "cancelled", "rejected"] | None = None


class TradeTerms(Asked):
    """Which closed positions."""

    pair: Name | None = None
    reason: Name | None = None
    since: Instant | None = None
    until: Instant | None = None
    result: Result | None = None

    @property
    def wanted(self) -> TradeFilter:
        """The filter."""
        return TradeFilter(pair=self.pair, reason=self.reason, since=self.since, until=self.until, result=self.result)


class TradesAsked(TradeTerms, ListAsked):
    """Part of the closed positions."""


class EventsAsked(ListAsked):
    """Part of the events."""

    severity: Severity | None = None
    kind: Name | None = None
    acknowledged: Literal["true", "false"] | None = None


class CalendarAsked(Asked):
    """Length of a period."""

    by: Period = "day"


class EquityAsked(Asked):
    """Range of time."""

    range: Range = "7d"


class HoursAsked(Asked):
    """Hours before now."""

    hours: Hours = 168


def make_reading_router(answers: Answers) -> APIRouter:
    """Return the routes below /api/v1 that read; their answers come from `answers`."""
    router = APIRouter(prefix=API, responses=RESPONSES)

    async def answer(question: object, view: Callable[[Inputs], BaseModel], pace: Pace = Pace.QUICK) -> Response:
        return Response(await answers.find(question, view, pace), media_type="application/json")

    @router.get("/status", response_model=StatusView)
    async def status() -> Response:
        """State of the process: is it well, what does it do, how old is what it knows."""
        return await answer("status", view_status)

    @router.get("/positions", response_model=Page[PositionView])
    async def positions() -> Response:
        """Open positions with legs, stops as confirmed on the venue, and results."""
        return await answer("positions", view_positions)

    @router.get("/decisions", response_model=Page[DecisionItem])
    async def decisions(asked: Annotated[ListAsked, Query()]) -> Response:
        """Decisions, newest first."""
        return await answer(("decisions", asked), lambda seen: view_decisions(seen, asked.cut))

    @router.get("/decisions/{decision_id}", response_model=DecisionView, responses=NOT_FOUND)
    async def decision(decision_id: Annotated[Name, Path()]) -> Response:
        """One decision with every pair, the first reason against each, and its lineage."""
        return await answer(("decision", decision_id), lambda seen: view_decision(seen, decision_id))

    @router.get("/decisions/{decision_id}/pairs/{pair}", response_model=PairFeatures, responses=NOT_FOUND)
    async def pair_features(decision_id: Annotated[Name, Path()], pair: Annotated[Name, Path()]) -> Response:
        """Features of a pair as the decision saw them, with event and knowledge time, and the lineage."""

        def view(seen: Inputs) -> PairFeatures:
            return view_pair_features(seen, read_decision(seen, decision_id), pair)

        return await answer(("features", decision_id, pair), view, Pace.SLOW)

    @router.get("/orders", response_model=Page[OrderView])
    async def orders(asked: Annotated[OrdersAsked, Query()]) -> Response:
        """Orders with their steps and executions, newest first."""
        wanted = OrderFilter(
            position_id=asked.position_id,
            decision_id=asked.decision_id,
            instrument=asked.instrument,
            purpose=asked.purpose,
            state=asked.state,
        )
        return await answer(("orders", asked), lambda seen: view_orders(seen, asked.cut, wanted))

    @router.get("/trades", response_model=Page[TradeView])
    async def trades(asked: Annotated[TradesAsked, Query()]) -> Response:
        """Closed positions, the last one first."""
        return await answer(("trades", asked), lambda seen: view_trades(seen, asked.cut, asked.wanted))

    @router.get("/trades.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
    async def trades_csv(asked: Annotated[TradeTerms, Query()]) -> Response:
        """Closed positions as CSV, all that fit the filter."""
        content = await answers.find(
            ("trades.csv", asked), lambda seen: write_trades_csv(seen, asked.wanted), Pace.SLOW
        )
        name = {"Content-Disposition": 'attachment; filename="trades.csv"'}
        return Response(content, media_type="text/csv", headers=name)

    @router.get("/trades/calendar", response_model=Page[CalendarItem])
    async def calendar(asked: Annotated[CalendarAsked, Query()]) -> Response:
        """Results per day, week or month of closing."""
        return await answer(("calendar", asked), lambda seen: view_calendar(seen, asked.by), Pace.SLOW)

    @router.get("/equity", response_model=EquityView)
    async def equity(asked: Annotated[EquityAsked, Query()]) -> Response:
        """Equity with drawdown, BTC beside it, and what happened."""
        return await answer(("equity", asked), lambda seen: view_equity(seen, asked.range), Pace.SLOW)

    @router.get("/pairs/{pair}/series", response_model=SeriesView, responses=NOT_FOUND)
    async def series(pair: Annotated[Name, Path()], asked: Annotated[HoursAsked, Query()]) -> Response:
        """Ratio and z-score of a pair, with its trades and open levels."""
        return await answer(("series", pair, asked), lambda seen: view_series(seen, pair, asked.hours), Pace.SLOW)

    @router.get("/assets/{asset}/candles", response_model=CandleView, responses=NOT_FOUND)
    async def candles(asset: Annotated[Name, Path()], asked: Annotated[HoursAsked, Query()]) -> Response:
        """Hourly bars of an asset."""
        return await answer(("candles", asset, asked), lambda seen: view_candles(seen, asset, asked.hours), Pace.SLOW)

    @router.get("/heatmap", response_model=HeatMap)
    async def heatmap() -> Response:
        """The last decision as a map of assets by assets."""
        return await answer("heatmap", view_heatmap)

    @router.get("/risk", response_model=RiskView)
    async def risk() -> Response:
        """Distance to each limit, exposure, funding and fees."""
        return await answer("risk", view_risk, Pace.SLOW)

    @router.get("/model", response_model=ModelView)
    async def model() -> Response:
        """Champion and challenger, the gate, drift, and the live result beside the backtest's."""
        return await answer("model", view_model, Pace.RARE)

    @router.get("/trust", response_model=TrustView)
    async def trust() -> Response:
        """Parity, quarantine, stale inputs, reconciliation, ledger, clocks."""
        return await answer("trust", view_trust, Pace.SLOW)

    @router.get("/events", response_model=Page[EventView])
    async def events(asked: Annotated[EventsAsked, Query()]) -> Response:
        """What happened to the process, newest first."""
        acknowledged = None if asked.acknowledged is None else asked.acknowledged == "true"
        wanted = EventFilter(severity=asked.severity, kind=asked.kind, acknowledged=acknowledged)
        return await answer(("events", asked), lambda seen: view_events(seen, asked.cut, wanted))

    return router
