"""Windows of requests, on a clock that moves on demand."""

import pytest

from paper_exchange.http.rate_limits import RateLimiter
from paper_exchange.params import Params
from paper_exchange.wire import WireError
from tests.paper_exchange.handmade_market import BTC, ETH


class Seconds:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def limiter(seconds):
    return RateLimiter(seconds)


def taken(limiter, method, path, count, *, caller="key", **row):
    """How many of `count` requests go through, and the code that stopped them."""
    for number in range(count):
        try:
            limiter.check(method, f"/api/v5/{path}", caller, [Params(row)])
        except WireError as refused:
            return number, refused.code, refused.http_status
    return count, "", 0


@pytest.mark.parametrize(
    ("method", "path", "row", "allowed", "window_s"),
    [
        ("POST", "trade/order", {"instId": BTC}, 60, 2),
        ("POST", "trade/order-algo", {"instId": BTC}, 20, 2),
        ("POST", "trade/cancel-all-after", {"tag": "a"}, 1, 1),
        ("GET", "account/bills", {}, 5, 1),
        ("GET", "account/max-size", {"instId": BTC}, 20, 2),
        ("GET", "system/status", {}, 1, 5),
        ("GET", "public/funding-rate", {"instId": BTC}, 10, 2),
    ],
)
def test_a_window_slides(limiter, seconds, method, path, row, allowed, window_s):
    assert taken(limiter, method, path, allowed + 1, **row) == (allowed, "50011", 429)
    seconds.now += window_s - 0.01
    assert taken(limiter, method, path, 1, **row)[0] == 0
    seconds.now += 0.01
    assert taken(limiter, method, path, allowed + 1, **row)[0] == allowed


def test_instruments_callers_and_kinds_of_request_are_counted_apart(limiter):
    assert taken(limiter, "POST", "trade/order", 60, instId=BTC)[0] == 60
    assert taken(limiter, "POST", "trade/order", 60, instId=ETH)[0] == 60
    assert taken(limiter, "POST", "trade/order", 60, instId=BTC, caller="other")[0] == 60
    assert taken(limiter, "POST", "trade/cancel-order", 60, instId=BTC)[0] == 60
    assert taken(limiter, "POST", "trade/amend-order", 60, instId=BTC)[0] == 60


def test_a_batch_of_one_is_a_single_order_and_larger_ones_count_their_elements(limiter):
    path = "/api/v5/trade/batch-orders"
    limiter.check("POST", path, "key", [Params({"instId": BTC})])
    assert taken(limiter, "POST", "trade/order", 60, instId=BTC)[0] == 59
    for _ in range(15):
        limiter.check("POST", path, "key", [Params({"instId": BTC})] * 20)
    with pytest.raises(WireError, match="50011"):
        limiter.check("POST", path, "key", [Params({"instId": BTC})] * 2)


def test_all_orders_of_an_account_have_a_limit_of_their_own(limiter, seconds):
    placed = [taken(limiter, "POST", "trade/order", 60, instId=f"A{number}-USDT-SWAP") for number in range(18)]
    assert [count for count, _, _ in placed] == [60] * 16 + [40, 0]
    assert placed[-1][1:] == ("50061", 200)
    assert taken(limiter, "POST", "trade/cancel-order", 60, instId=BTC)[0] == 60
    seconds.now += 2
    assert taken(limiter, "POST", "trade/order", 60, instId=BTC)[0] == 60
