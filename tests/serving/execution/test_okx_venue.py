"""The adapter: what is not a proper answer is never an empty one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pairity.errors import (
    ConfigError,
    CredentialsError,
    OrderUnknownError,
    PairityError,
    VenueAnswerError,
    VenueRejectedError,
)
from pairity.strategy.types import Side
from serving.account import view_account
from serving.execution.okx import OkxVenue
from serving.execution.venue_records import (
    AttachedStops,
    Missing,
    OrderRequest,
    Unclear,
    VenueAlgo,
    VenueOrder,
)
from tests.serving.tiny_client import TinyClient
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, ETH, Desk, opened

REQUEST = OrderRequest(
    "pairitye1", BTC, Side.BUY, Decimal("1E+1"), attached=AttachedStops("pairitys1", Decimal(1), Decimal(9))
)


class Canned:
    """A client that gives one prepared answer to everything."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.urls = {"api": {"rest": "http://canned"}}
        self.options: dict[str, Any] = {}

    def implode_hostname(self, url: str) -> str:
        return url

    def __getattr__(self, name: str) -> Callable[[Any], Coroutine[Any, Any, object]]:
        async def implicit(_params: Any) -> object:
            return self.answer

        return implicit


def venue(answer: object) -> OkxVenue:
    return OkxVenue(Canned(answer), retries=0)  # type: ignore[arg-type]


def rows(*data: object) -> dict[str, object]:
    return {"code": "0", "msg": "", "data": list(data)}


NONSENSE = ["<html>", "", None, {}, [], {"code": "0"}, {"code": "0", "data": None}, rows(None), rows("x"), rows({})]


@pytest.mark.parametrize("answer", NONSENSE, ids=str)
@pytest.mark.parametrize("ask", ["balance", "positions", "algo_orders", "open_orders", "account_config", "server_time"])
def test_nonsense_is_an_error_for_every_read(ask: str, answer: object) -> None:
    with pytest.raises(VenueAnswerError):
        asyncio.run(getattr(venue(answer), ask)())


@pytest.mark.parametrize("answer", [*NONSENSE, rows(), rows({"ordId": "1"}, {"ordId": "2"})], ids=str)
def test_nonsense_for_a_look_up_is_unclear(answer: object) -> None:
    assert isinstance(asyncio.run(venue(answer).find_order(BTC, "pairitye1")), Unclear)
    assert isinstance(asyncio.run(venue(answer).find_algo(BTC, "pairitys1")), Unclear)


@pytest.mark.parametrize(
    "answer", [*NONSENSE, rows(), rows({"sCode": "0"}), rows({"sCode": "0", "ordId": "1", "clOrdId": "other"})], ids=str
)
def test_nonsense_for_an_order_is_unknown(answer: object) -> None:
    with pytest.raises(OrderUnknownError):
        asyncio.run(venue(answer).place(REQUEST))


@pytest.mark.parametrize("code", ["0", "2"])
def test_a_refusal_hidden_under_a_good_envelope_is_found(code: str) -> None:
    answer = {"code": code, "msg": "", "data": [{"sCode": "51008", "sMsg": "no margin", "ordId": "", "clOrdId": ""}]}
    with pytest.raises(VenueRejectedError, match="51008"):
        asyncio.run(venue(answer).place(REQUEST))


def test_no_answer_is_not_a_balance_of_zero_and_an_empty_account_is() -> None:
    with pytest.raises(VenueAnswerError):
        asyncio.run(venue(rows()).balance())
    with pytest.raises(VenueAnswerError, match="totalEq"):
        asyncio.run(venue(rows({"details": []})).balance())
    with pytest.raises(VenueAnswerError, match="availBal"):
        asyncio.run(venue(rows({"totalEq": "1", "details": [{"ccy": "USDT", "eq": "1"}]})).balance())
    assert asyncio.run(venue(rows({"totalEq": "0", "details": []})).balance()).available == 0


@pytest.mark.parametrize("size", ["", None, "NaN", "abc", "Infinity"])
def test_a_position_without_a_size_is_garbage(size: object) -> None:
    with pytest.raises(VenueAnswerError):
        asyncio.run(venue(rows({"instId": BTC, "posSide": "net", "pos": size, "avgPx": "1"})).positions())


def test_hedged_and_doubled_positions_are_refused() -> None:
    row = {"instId": BTC, "posSide": "long", "pos": "1", "avgPx": "1"}
    with pytest.raises(VenueAnswerError, match="net position mode"):
        asyncio.run(venue(rows(row)).positions())
    row["posSide"] = "net"
    with pytest.raises(VenueAnswerError, match="two positions"):
        asyncio.run(venue(rows(row, row)).positions())


def test_an_unknown_order_state_is_unclear() -> None:
    row = {
        "ordId": "1",
        "clOrdId": "pairitye1",
        "instId": BTC,
        "side": "buy",
        "state": "dreaming",
        "sz": "1",
        "accFillSz": "0",
        "uTime": "1",
    }
    assert isinstance(asyncio.run(venue(rows(row)).find_order(BTC, "pairitye1")), Unclear)
    row["state"] = "live"
    assert isinstance(asyncio.run(venue(rows(row)).find_order(BTC, "pairitye1")), VenueOrder)
    row["clOrdId"] = "another"
    assert isinstance(asyncio.run(venue(rows(row)).find_order(BTC, "pairitye1")), Unclear)


def test_the_wire_has_plain_numbers_and_both_stops(tiny: TinyOkx) -> None:
    port = OkxVenue(TinyClient(tiny), retries=0)  # type: ignore[arg-type]
    order_id = asyncio.run(port.place(REQUEST))
    (body,) = tiny.sent("privatePostTradeOrder")
    assert body == {
        "instId": BTC,
        "tdMode": "cross",
        "side": "buy",
        "ordType": "market",
        "sz": "10",
        "clOrdId": "pairitye1",
        "attachAlgoOrds": [
            {
                "attachAlgoClOrdId": "pairitys1",
                "slTriggerPx": "1",
                "slOrdPx": "-1",
                "slTriggerPxType": "last",
                "tpTriggerPx": "9",
                "tpOrdPx": "-1",
                "tpTriggerPxType": "last",
            }
        ],
    }
    found = asyncio.run(port.find_order(BTC, "pairitye1"))
    assert isinstance(found, VenueOrder)
    assert (found.order_id, found.filled_contracts, found.average_price) == (order_id, 10, 80000)
    algo = asyncio.run(port.find_algo(BTC, "pairitys1"))
    assert isinstance(algo, VenueAlgo)
    assert (algo.stop, algo.target, algo.side) == (1, 9, Side.SELL)


def test_absence_needs_the_venue_s_own_words(tiny: TinyOkx) -> None:
    port = OkxVenue(TinyClient(tiny), retries=0)  # type: ignore[arg-type]
    assert isinstance(asyncio.run(port.find_order(BTC, "pairitye9")), Missing)
    assert isinstance(asyncio.run(port.find_algo(BTC, "pairitys9")), Missing)


def test_cancelling_what_is_gone_is_no_error(tiny: TinyOkx) -> None:
    port = OkxVenue(TinyClient(tiny), retries=0)  # type: ignore[arg-type]
    asyncio.run(port.cancel(BTC, "pairitye9"))
    asyncio.run(port.cancel_algo(BTC, "123"))


def test_fills_are_paged_to_the_end(tiny: TinyOkx) -> None:
    for _ in range(205):
        tiny.trade_by_hand(ETH, "buy", Decimal("0.01"))
    tiny.trade_by_hand(BTC, "buy", Decimal("0.01"))
    port = OkxVenue(TinyClient(tiny), retries=0)  # type: ignore[arg-type]
    since = datetime(2025, 1, 1, tzinfo=UTC)
    assert len(asyncio.run(port.fills(ETH, since))) == 205
    assert len(asyncio.run(port.fills(None, since))) == 206
    assert asyncio.run(port.fills(None, datetime(2026, 1, 1, tzinfo=UTC))) == []


def test_mode_and_leverage_are_set_and_read_back(tiny: TinyOkx) -> None:
    port = OkxVenue(TinyClient(tiny), retries=0)  # type: ignore[arg-type]
    tiny.mode = "long_short_mode"
    tiny.faults = [("privatePostAccountSetPositionMode", "timeout"), ("privatePostAccountSetLeverage", "aborted")]
    asyncio.run(port.ensure_net_mode())
    assert tiny.mode == "net_mode"
    asyncio.run(port.ensure_leverage(BTC, 2))
    asyncio.run(port.ensure_leverage(BTC, 2))
    assert len(tiny.sent("privatePostAccountSetLeverage")) == 1
    tiny.mode = "long_short_mode"
    tiny.trade_by_hand(BTC, "buy", Decimal(1))
    with pytest.raises(ConfigError, match="59000"):
        asyncio.run(port.ensure_net_mode())


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"acctLv": "1", "posMode": "net_mode", "perm": "read_only,trade"}, ConfigError),
        ({"acctLv": "2", "posMode": "net_mode", "perm": "read_only"}, CredentialsError),
    ],
)
def test_an_account_that_cannot_trade_swaps_is_refused(row: dict[str, str], error: type[PairityError]) -> None:
    with pytest.raises(error):
        asyncio.run(venue(rows(row)).ensure_net_mode())


def test_the_account_view_shows_what_is_there(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    view = asyncio.run(view_account(desk.venue, timedelta(days=1)))
    assert [(position.instrument, position.contracts) for position in view.positions] == [(BTC, Decimal("-1.25"))]
    assert [balance.currency for balance in view.balances] == ["USDT"]
    assert (len(view.protection), len(view.orders), len(view.fills), list(view.open_orders)) == (1, 1, 1, [])
    assert asyncio.run(desk.venue.last_price(BTC)) == 80000
