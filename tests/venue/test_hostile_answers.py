"""Answers that mean harm, met by the real client over HTTP: an error that names the limit, soon, and little memory.

A read fails with a VenueError. A write may have been carried out: its outcome is unknown, and asked.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from pairity.errors import OrderUnknownError, PairityError, VenueAnswerError, VenueError, VenueUnreachableError
from pairity.settings import Settings
from pairity.strategy.types import Side
from pairity.timeline import from_ms
from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.market.synthetic import SyntheticMarket
from serving.execution.okx import OkxVenue
from serving.execution.venue_records import OrderRequest, ProtectionRequest, Unclear, VenueOrder
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.paper_keys import exchange_at
from tests.venue.canned import canned_client
from tests.venue.conftest import NOW_MS
from venue.clock import PolledClock
from venue.okx_client import aclose, call, make_client

BTC = "BTC-USDT-SWAP"
READ, SIGNED_READ = "publicGetPublicTime", "privateGetAccountBalance"
ORDER = OrderRequest("pairitye1", BTC, Side.BUY, Decimal(1))
STOP = ProtectionRequest("pairitys1", BTC, Side.SELL, Decimal(1), Decimal(1), Decimal(999_999))
HUGE = "1e1000000"
ENVELOPE = '{{"code":"0","msg":"","data":[{}]}}'


@pytest.fixture
def url(market: SyntheticMarket, faults: FaultPlan) -> Iterator[str]:
    clock = VirtualClock("stepped", NOW_MS)
    with serving(market, clock, account=Account(market, clock, 10_000), faults=faults) as where:
        yield where


def with_client(url: str, ask: Any, timeout_s: float = 5.0) -> Any:
    """Return what `ask` (from the client to a coroutine) gives."""
    exchange = exchange_at(url, timeout_s=timeout_s)

    async def run() -> Any:
        client = make_client(Settings(exchange=exchange), signed=True)
        try:
            return await ask(client)
        finally:
            await aclose(client)

    return asyncio.run(run())


def failing(url: str, ask: Any, kind: type[PairityError], **options: float) -> PairityError:
    began = time.thread_time()
    with pytest.raises(kind) as caught:
        with_client(url, ask, **options)
    assert time.thread_time() - began < 3.0, "the loop stood still"
    assert len(str(caught.value)) < 600
    return caught.value


def body(text: str) -> dict[str, str]:
    return {"text": text}


DAMAGED = {
    "gzip that expands to 1.4 GB": ("bomb", {"mb": 1400}, "expands to more bytes than the limit of 8388608"),
    "deflate that expands to 1.4 GB": ("bomb", {"mb": 1400, "encoding": "deflate"}, "expands to more bytes"),
    "a body without end": ("huge_body", {"mb": 64}, "more bytes than the limit of 8388608"),
    "thousands of rows": ("many_rows", {"rows": 11_000}, "more"),
    "lists in lists": ("nested", {}, "nested deeper than the limit of 16"),
    "lists in lists, seventeen deep": ("nested", {"depth": 17}, "nested deeper than the limit of 16"),
    "objects in objects": ("body", body('{"a":' * 100_000), "brackets do not match"),
    "a key twice": ("body", body('{"code":"1","code":"0","data":[{"ts":"1"}]}'), "'code' twice"),
    "a key twice, escaped": ("body", body('{"code":"0","data":[{"ts":"1","\\u0074s":"2"}]}'), "'ts' twice"),
    "NaN": ("body", body(ENVELOPE.format('{"ts":NaN}')), "NaN"),
    "Infinity": ("body", body(ENVELOPE.format('{"ts":-Infinity}')), "Infinity"),
    "a huge literal": ("body", body(ENVELOPE.format('{"ts":1e999}')), "beyond what a double holds"),
    "a long literal": ("body", body(ENVELOPE.format(f'{{"ts":{"9" * 100_000}}}')), "more than 40 digits"),
    "half a surrogate": ("body", body(ENVELOPE.format('{"ts":"\\ud800"}')), "surrogate"),
    "code is a list": ("body", body('{"code":["0"],"data":[{"ts":"1"}]}'), "instead of an OKX envelope"),
    "code is true": ("body", body('{"code":true,"data":[{"ts":"1"}]}'), "instead of an OKX envelope"),
    "code is a number too many": ("body", body('{"code":12345678901,"data":[]}'), "instead of an OKX envelope"),
    "data is an object": ("body", body('{"code":"0","data":{"0":{"ts":"1"}}}'), "instead of an OKX envelope"),
    "data is a text": ("body", body('{"code":"51000","data":"abc","msg":{"a":[]}}'), "51000"),
    "a text that is JSON": ("body", body('"0"'), "instead of an OKX envelope"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_answer_is_no_answer(url: str, faults: FaultPlan, name: str) -> None:
    kind, params, said = DAMAGED[name]
    for method in (READ, SIGNED_READ):
        faults.add(kind, params=params)
        error = failing(url, lambda client, method=method: call(client, method, {}, retries=0), VenueError)
        assert method in str(error)
        assert said in str(error)


@pytest.mark.parametrize("name", [name for name in DAMAGED if name not in ("data is a text", "thousands of rows")])
def test_an_order_with_a_damaged_answer_is_asked_for(url: str, faults: FaultPlan, name: str) -> None:
    kind, params, _ = DAMAGED[name]
    faults.add(kind, "POST trade/order", params=params)
    failing(url, lambda client: OkxVenue(client, retries=3).place(ORDER), OrderUnknownError)
    faults.add(kind, "GET trade/order", params=params)
    look_up = lambda client: OkxVenue(client, retries=3).find_order(BTC, "pairitye1")  # noqa: E731
    assert isinstance(with_client(url, look_up), Unclear)
    found = with_client(url, look_up)
    assert isinstance(found, VenueOrder)
    assert found.filled_contracts == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"code":"0","data":[{"sCode":["0"],"ordId":"1","clOrdId":"pairitye1"}]}',
        '{"code":"0","data":[{"sCode":true,"ordId":"1","clOrdId":"pairitye1"}]}',
        '{"code":"0","data":[{"sCode":null,"ordId":"1","clOrdId":"pairitye1"}]}',
        '{"code":"0","data":[{"sCode":"0","ordId":{"a":1},"clOrdId":"pairitye1"}]}',
        '{"code":"0","data":[{"sCode":"0","ordId":"1\\u0000","clOrdId":"pairitye1"}]}',
        '{"code":"0","data":[{"sCode":"0","ordId":"<script>","clOrdId":"pairitye1"}]}',
        '{"code":"0","data":[{"sCode":"0","ordId":"1","clOrdId":["pairitye1"]}]}',
        '{"code":"0","data":[{"sCode":"0","ordId":"1"},{"sCode":"51008"}]}',
        '{"code":"0","data":[]}',
        '{"code":"0","data":["sCode"]}',
        '{"code":"1","data":[{"sCode":"0","ordId":"1"}]}',
        '{"code":"1","data":[{"sCode":"51008","sMsg":"no"},{"sCode":"0","ordId":"1"}]}',
        '{"code":"1","data":[{"sCode":{"a":1},"sMsg":"no"}]}',
        '{"code":1.5,"data":[]}',
        '{"code":{"0":"0"},"data":[{"sCode":"0","ordId":"1"}]}',
    ],
)
def test_an_answer_to_an_order_that_contradicts_itself_decides_nothing(url: str, faults: FaultPlan, text: str) -> None:
    faults.add("body", "POST trade/order", params=body(text))
    failing(url, lambda client: OkxVenue(client, retries=0).place(ORDER), OrderUnknownError)


def test_a_status_of_failure_over_a_body_of_success_decides_nothing(url: str, faults: FaultPlan) -> None:
    faults.add("code", "POST trade/order", params={"code": "0", "http_status": 500})
    failing(url, lambda client: OkxVenue(client, retries=0).place(ORDER), OrderUnknownError)


def test_a_dripping_body_has_the_time_of_one_request(url: str, faults: FaultPlan) -> None:
    faults.add("drip", count=2, params={"ms": 60})
    error = failing(url, lambda client: call(client, READ, {}, retries=0), VenueUnreachableError, timeout_s=0.5)
    assert "in time" in str(error)
    failing(url, lambda client: OkxVenue(client, retries=0).place(ORDER), OrderUnknownError, timeout_s=0.5)


FIELDS = [
    ("GET trade/order", name, value)
    for name in ("sz", "accFillSz", "avgPx", "uTime")
    for value in (HUGE, "-1", "9" * 100, "NaN", "1_000", "", None, True, [], {}, "１")
] + [
    ("GET trade/order", name, value)
    for name in ("ordId", "clOrdId", "instId", "state")
    for value in ("a b", [1], "\x00", "x" * 99)
]


@pytest.mark.parametrize(("path", "name", "value"), FIELDS, ids=ascii)
def test_a_field_that_nobody_can_compute_with_makes_a_look_up_unclear(
    url: str, faults: FaultPlan, path: str, name: str, value: object
) -> None:
    async def look_up(client: Any) -> object:
        venue = OkxVenue(client, retries=0)
        await venue.place(ORDER)
        faults.add("field", path, params={"name": name, "value": value})
        began = time.thread_time()
        found = await venue.find_order(BTC, "pairitye1")
        assert time.thread_time() - began < 1.0
        return found

    found = with_client(url, look_up)
    assert isinstance(found, Unclear)
    assert name in found.answer or "another order" in found.answer


READS: dict[str, tuple[str, str, Any]] = {
    "positions": ("account/positions", "pos", lambda venue: venue.positions()),
    "mark": ("account/positions", "markPx", lambda venue: venue.positions()),
    "balance": ("account/balance", "totalEq", lambda venue: venue.balance()),
    "fills": ("trade/fills-history", "fillPx", lambda venue: venue.fills(None, from_ms(0))),
    "instants": ("trade/fills-history", "fillTime", lambda venue: venue.fills(None, from_ms(0))),
    "history": ("trade/orders-history", "sz", lambda venue: venue.recent_orders()),
    "last": ("market/ticker", "last", lambda venue: venue.last_price(BTC)),
    "time": ("public/time", "ts", lambda venue: venue.server_time()),
    "leverage": ("account/leverage-info", "lever", lambda venue: venue.ensure_leverage(BTC, 2)),
    "algos": ("trade/orders-algo-pending", "slTriggerPx", lambda venue: venue.algo_orders()),
}


@pytest.mark.parametrize("name", READS)
def test_every_read_refuses_a_number_of_a_million_digits(url: str, faults: FaultPlan, name: str) -> None:
    path, field, ask = READS[name]

    async def read(client: Any) -> None:
        venue = OkxVenue(client, retries=0)
        await venue.place(ORDER)
        await venue.place_protection(STOP)
        for value in (HUGE, "0." + "0" * 1_000_000 + "1"):
            faults.add("field", path, params={"name": field, "value": value})
            with pytest.raises(VenueAnswerError):
                await ask(venue)

    began = time.thread_time()
    with_client(url, read)
    assert time.thread_time() - began < 3.0


OTHERS: dict[str, tuple[str, Any]] = {
    "fills": ("trade/fills-history", lambda venue: venue.fills(BTC, from_ms(0))),
    "last": ("market/ticker", lambda venue: venue.last_price(BTC)),
    "leverage": ("account/leverage-info", lambda venue: venue.ensure_leverage(BTC, 2)),
}


@pytest.mark.parametrize("value", ["ETH-USDT-SWAP", "BTC-USDT", "ВТС-USDT-SWAP", "", [], None], ids=ascii)
@pytest.mark.parametrize("name", OTHERS)
def test_a_row_of_another_instrument_is_refused(url: str, faults: FaultPlan, name: str, value: object) -> None:
    path, ask = OTHERS[name]

    async def read(client: Any) -> None:
        venue = OkxVenue(client, retries=0)
        await venue.place(ORDER)
        faults.add("field", path, params={"name": "instId", "value": value})
        with pytest.raises(VenueAnswerError, match="was asked for"):
            await ask(venue)

    with_client(url, read)


def test_an_order_of_another_instrument_is_not_the_one_that_was_asked_for(url: str, faults: FaultPlan) -> None:
    async def look_up(client: Any) -> tuple[object, object]:
        venue = OkxVenue(client, retries=0)
        await venue.place(ORDER)
        await venue.place_protection(STOP)
        for path in ("GET trade/order", "GET trade/order-algo"):
            faults.add("field", path, params={"name": "instId", "value": "ETH-USDT-SWAP"})
        return await venue.find_order(BTC, "pairitye1"), await venue.find_algo(BTC, "pairitys1")

    assert all(isinstance(found, Unclear) for found in with_client(url, look_up))


def test_a_page_is_no_larger_than_asked() -> None:
    """A thousand pages of ten thousand rows each would be within every other limit."""
    bodies = {"trade/orders-pending": ENVELOPE.format(",".join([json.dumps(ROW)] * 401))}
    client = canned_client(bodies)
    with pytest.raises(VenueAnswerError, match="answered 401 rows, and 100 are a page"):
        asyncio.run(OkxVenue(client, retries=0).open_orders())


def test_the_polled_clock_refuses_the_same(url: str, faults: FaultPlan) -> None:
    for kind, params in (("field", {"value": HUGE}), ("bomb", {}), ("nested", {}), ("redirect", {}), ("huge_body", {})):
        faults.add(kind, params=params)
        with pytest.raises(VenueAnswerError):
            asyncio.run(PolledClock.connect(url, 5.0))
    faults.add("drip", params={"ms": 60})
    with pytest.raises(VenueUnreachableError):
        asyncio.run(PolledClock.connect(url, 0.3))


ENDLESS = {
    "open orders": ("orders-pending", "ordId", lambda venue: venue.open_orders(), "50 full pages"),
    "protective orders": ("orders-algo-pending", "algoId", lambda venue: venue.algo_orders(), "50 full pages"),
    "funding": (
        "account/bills",
        "billId",
        lambda venue: venue.funding_paid(BTC, from_ms(NOW_MS - 7_200_000), from_ms(NOW_MS)),
        "18 full pages",
    ),
}
ROW = {
    "instId": BTC, "ordId": "1", "clOrdId": "", "side": "buy", "state": "live", "sz": "1", "accFillSz": "0",
    "uTime": "1", "algoId": "1", "billId": "1", "ccy": "USDT",
    "bal": "1", "balChg": "0", "type": "8", "ts": str(NOW_MS), "pnl": "0", "slTriggerPx": "1", "tpTriggerPx": "2",
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_a_list_without_end_ends(url: str, faults: FaultPlan, name: str) -> None:
    path, cursor, ask, said = ENDLESS[name]
    faults.add("endless_pages", path, count=None, params={"cursor": cursor, "row": ROW})
    error = failing(url, lambda client: ask(OkxVenue(client, retries=0)), VenueAnswerError)
    assert said in str(error)


CHILD = """
import asyncio, resource, sys
from pairity.errors import VenueError
from pairity.settings import ExchangeSettings, Settings
from venue.okx_client import aclose, call, make_client


async def main(url):
    client = make_client(Settings(exchange=ExchangeSettings(url=url, rate_limit=False)), signed=False)
    await call(client, "publicGetPublicInstruments", {"instType": "SWAP"}, retries=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(int(sys.argv[2])):
        try:
            await call(client, "publicGetPublicTime", {}, retries=0)
        except VenueError:
            continue
        raise SystemExit("an answer was taken")
    await aclose(client)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.e2e
def test_no_answer_takes_much_memory(url: str, faults: FaultPlan) -> None:
    """Measured in a process of its own: the largest of everything above costs tens of megabytes, not gigabytes."""
    hostile = [DAMAGED[name] for name in DAMAGED if DAMAGED[name][0] != "body"]
    for kind, params, _ in hostile:
        faults.add(kind, "public/time", params=params)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, url, str(len(hostile))], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 150
