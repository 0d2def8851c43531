"""What the venue forgets, and when; each limit at its last remembered and its first forgotten instant."""

import pytest

from paper_exchange.wire import WireError
from tests.paper_exchange.handmade_market import BTC, T0, Desk, flat

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SWAP = {"instType": "SWAP"}


@pytest.fixture
def desk():
    """One order filled, one cancelled without a fill, one that rests; all at T0."""
    desk = Desk({BTC: flat(100)})
    desk.order("buy", 1, clOrdId="filled1")
    desk.order("buy", 1, kind="limit", px="99", clOrdId="gone1")
    desk.order("buy", 1, kind="limit", px="99", clOrdId="rests1")
    desk.post("trade/cancel-order", {"instId": BTC, "clOrdId": "gone1"})
    return desk


def found(desk, name):
    try:
        return bool(desk.get("trade/order", instId=BTC, clOrdId=name))
    except WireError as refused:
        if (refused.code, refused.data) != ("51603", ()):
            raise
        return False


def listed(desk, path):
    return {row["clOrdId"] for row in desk.get(path, **SWAP)}


@pytest.mark.parametrize(
    ("after_ms", "orders", "history", "archive"),
    [
        (0, {"filled1", "gone1", "rests1"}, {"filled1", "gone1"}, {"filled1"}),
        (2 * HOUR_MS, {"filled1", "gone1", "rests1"}, {"filled1", "gone1"}, {"filled1"}),
        (2 * HOUR_MS + 1, {"filled1", "rests1"}, {"filled1"}, {"filled1"}),
        (7 * DAY_MS, {"filled1", "rests1"}, {"filled1"}, {"filled1"}),
        (7 * DAY_MS + 1, {"filled1", "rests1"}, set(), {"filled1"}),
        (90 * DAY_MS, {"filled1", "rests1"}, set(), {"filled1"}),
        (90 * DAY_MS + 1, {"rests1"}, set(), set()),
    ],
)
def test_orders(desk, after_ms, orders, history, archive):
    desk.settle(T0 + after_ms)
    assert {name for name in ("filled1", "gone1", "rests1") if found(desk, name)} == orders
    assert listed(desk, "trade/orders-history") == history
    assert listed(desk, "trade/orders-history-archive") == archive
    assert listed(desk, "trade/orders-pending") == {"rests1"}


@pytest.mark.parametrize(
    ("path", "kept_ms"),
    [
        ("trade/fills", 3 * DAY_MS),
        ("trade/fills-history", 90 * DAY_MS),
        ("account/bills", 7 * DAY_MS),
        ("account/bills-archive", 90 * DAY_MS),
    ],
)
def test_fills_and_bills(desk, path, kept_ms):
    desk.settle(T0 + kept_ms)
    assert len(desk.get(path, **SWAP)) == 1
    desk.settle(T0 + kept_ms + 1)
    assert desk.get(path, **SWAP) == []


def test_closed_positions_and_algo_orders(desk):
    desk.order("sell", 1, reduceOnly=True)
    algo = desk.algo("sell", 1, kind="trigger", triggerPx="90", orderPx="-1")
    desk.account.cancel_algo(algo)
    wanted = {"ordType": "trigger", "state": "canceled"}
    desk.settle(T0 + 90 * DAY_MS)
    assert len(desk.get("account/positions-history")) == len(desk.get("trade/orders-algo-history", **wanted)) == 1
    desk.settle(T0 + 90 * DAY_MS + 1)
    assert desk.get("account/positions-history") == desk.get("trade/orders-algo-history", **wanted) == []


def test_a_client_id_that_is_forgotten_is_free_and_unknown(desk):
    desk.settle(T0 + 3 * HOUR_MS)
    assert not found(desk, "gone1")
    answer = desk.post("trade/cancel-order", {"instId": BTC, "clOrdId": "gone1"})
    assert answer["data"][0]["sCode"] == "51400"
