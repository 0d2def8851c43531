"""Every answer that the product reads, damaged at random: what comes out is a value or a VenueError, and soon.

The bodies go through the real ccxt client and the readers of both rooms. What comes out as a value is one: finite, in
the bounds of `venue.okx_values`.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import itertools
import json
import math
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.sources.okx import OkxSource
from ingestion.sources.protocol import NotServedError
from pairity.errors import ConfigError, OrderUnknownError, UnknownNameError, VenueError, VenueRejectedError
from pairity.strategy.types import Side
from pairity.timeline import from_ms, to_ms
from serving.execution.okx import OkxVenue
from serving.execution.venue_records import AttachedStops, Missing, OrderRequest, ProtectionRequest, Unclear
from tests.venue.canned import canned_client, paths
from venue.okx_client import call, server_time

T = 1_742_317_200_000
BTC = "BTC-USDT-SWAP"
SINCE, UNTIL = from_ms(T), from_ms(T) + timedelta(hours=3)
HOURS = [str(T + hour * 3_600_000) for hour in (2, 1, 0)]
ORDER = {
    "instType": "SWAP", "instId": BTC, "ordId": "680800019749904384", "clOrdId": "pairitye1", "side": "buy",
    "posSide": "net", "sz": "1.25", "accFillSz": "1.25", "avgPx": "82000.1", "state": "filled", "reduceOnly": "false",
    "category": "normal", "cTime": str(T), "uTime": str(T), "attachAlgoOrds": [{"attachAlgoClOrdId": "pairitys1"}],
}  # fmt: skip
ALGO = {
    "instType": "SWAP", "instId": BTC, "algoId": "680800019749904385", "algoClOrdId": "pairitys1", "clOrdId": "",
    "ordId": "", "ordIdList": ["680800019749904386"], "side": "sell", "sz": "1.25", "closeFraction": "",
    "state": "effective", "slTriggerPx": "80000", "tpTriggerPx": "90000", "actualSide": "sl", "reduceOnly": "true",
}  # fmt: skip
FILL = {
    "instType": "SWAP", "instId": BTC, "tradeId": "744876980", "ordId": "680800019749904384", "clOrdId": "pairitye1",
    "billId": "680800019754098688", "subType": "1", "fillPx": "82000.1", "fillSz": "1.25", "fillPnl": "0",
    "side": "buy", "fee": "-0.05125", "feeCcy": "USDT", "fillTime": str(T), "ts": str(T + 1),
}  # fmt: skip
BILL = {
    "instType": "SWAP", "instId": BTC, "billId": "1", "type": "8", "subType": "173", "ccy": "USDT", "bal": "9999.9",
    "balChg": "-0.0123456789012345", "fee": "0", "pnl": "-0.0123456789012345", "ts": str(T),
}  # fmt: skip
POSITION = {
    "instType": "SWAP", "instId": BTC, "pos": "-1.25", "posSide": "net", "avgPx": "82000.1", "markPx": "82001",
    "upl": "-0.0000000000000012", "mgnMode": "cross",
}  # fmt: skip
DETAIL = {"ccy": "USDT", "eq": "-9999.12", "availEq": "", "availBal": "9000.5"}
SWAP = {
    "instType": "SWAP", "instId": BTC, "ctVal": "0.01", "lotSz": "0.01", "minSz": "0.01", "tickSz": "0.1",
    "lever": "100", "maxMktSz": "12000", "state": "live",
}  # fmt: skip
CANDLES = [[at, "82000.1", "82010", "81990.5", "82005", "1234", "12.34", "1012000.5", "1"] for at in HOURS]
PRICES = [[at, "82000.1", "82010", "81990.5", "82005", "1"] for at in HOURS]
FUNDING = {"instId": BTC, "fundingTime": HOURS[2], "fundingRate": "0.0001", "realizedRate": "0.00011"}
SCHEDULE = {
    "instId": BTC, "settState": "settled", "prevFundingTime": HOURS[2], "fundingTime": str(T + 28_800_000),
    "ts": HOURS[0],
}  # fmt: skip
TRADE = {"instId": BTC, "tradeId": "744876980", "px": "82000.1", "sz": "3", "side": "sell", "ts": str(T + 5)}
BOOK = {"asks": [["41006.8", "0.6", "0", "1"]] * 20, "bids": [["41006.3", "0.3", "0", "2"]] * 20, "ts": str(T)}
LIQUIDATION = {
    "instFamily": "BTC-USDT",
    "details": [{"posSide": "", "side": "buy", "sz": "5", "bkPx": "1", "ts": str(T)}],
}

DATA: dict[str, list[Any]] = {
    "public/time": [{"ts": str(T)}],
    "account/config": [{"uid": "44705892343619584", "acctLv": "2", "posMode": "net_mode", "perm": "read_only,trade"}],
    "account/balance": [{"totalEq": "9000.5", "uTime": str(T), "details": [DETAIL]}],
    "account/positions": [POSITION],
    "account/leverage-info": [{"instId": BTC, "mgnMode": "cross", "lever": "2", "posSide": "net"}],
    "account/set-leverage": [{"instId": BTC, "mgnMode": "cross", "lever": "2"}],
    "account/set-position-mode": [{"posMode": "net_mode"}],
    "account/bills": [BILL],
    "trade/order": [ORDER],
    "trade/order-algo": [ALGO],
    "trade/orders-pending": [ORDER],
    "trade/orders-history": [ORDER],
    "trade/orders-algo-pending": [ALGO],
    "trade/fills-history": [FILL],
    "market/ticker": [{"instId": BTC, "last": "82000.1", "ts": str(T)}],
    "public/instruments": [SWAP],
    "public/funding-rate": [SCHEDULE],
    "public/funding-rate-history": [FUNDING],
    "market/history-candles": CANDLES,
    "market/history-mark-price-candles": PRICES,
    "market/history-index-candles": PRICES,
    "rubik/stat/contracts/open-interest-history": [[at, "100", "1.5", "120000.5"] for at in HOURS],
    "rubik/stat/taker-volume-contract": [[at, "100", "1.5"] for at in HOURS],
    "market/history-trades": [TRADE, {**TRADE, "tradeId": "744876979", "ts": str(T - 5)}],
    "market/books": [BOOK],
    "public/liquidation-orders": [LIQUIDATION],
    "public/open-interest": [{"instId": BTC, "oi": "1", "oiCcy": "1.5", "oiUsd": "", "ts": str(T)}],
}
WRITTEN: dict[str, dict[str, str]] = {
    "trade/order": {
        "sCode": "0",
        "sMsg": "",
        "ordId": "680800019749904384",
        "clOrdId": "pairitye1",
        "tag": "",
        "ts": str(T),
    },
    "trade/order-algo": {
        "sCode": "0",
        "sMsg": "",
        "algoId": "68",
        "algoClOrdId": "pairitys1",
        "clOrdId": "",
        "tag": "",
    },
    "trade/cancel-order": {"sCode": "51400", "sMsg": "gone", "ordId": "1", "clOrdId": "pairitye1"},
    "trade/cancel-algos": {"sCode": "0", "sMsg": "", "algoId": "68"},
}
Ask = Callable[[Any], Awaitable[Any]]


def desk(ask: Callable[[OkxVenue], Awaitable[Any]]) -> Ask:
    return lambda client: ask(OkxVenue(client, retries=0))


def market(ask: Callable[[OkxSource], Awaitable[Any]]) -> Ask:
    def run(client: Any) -> Awaitable[Any]:
        return ask(OkxSource(client, retries=0))

    return run


async def _live_funding(source: OkxSource) -> Any:
    from ingestion.sources.okx_schedule import SettlementSchedule

    schedule = SettlementSchedule(lambda method, params: call(source.client, method, params, retries=0))
    return await schedule.exclude("BTC", SINCE, UNTIL)


READS: dict[str, tuple[str, Ask]] = {
    "time": ("public/time", server_time),
    "config": ("account/config", desk(lambda venue: venue.ensure_net_mode())),
    "balance": ("account/balance", desk(lambda venue: venue.balance())),
    "positions": ("account/positions", desk(lambda venue: venue.positions())),
    "leverage": ("account/leverage-info", desk(lambda venue: venue.ensure_leverage(BTC, 2))),
    "bills": ("account/bills", desk(lambda venue: venue.funding_paid(BTC, SINCE, UNTIL))),
    "order": ("trade/order", desk(lambda venue: venue.find_order(BTC, "pairitye1"))),
    "algo": ("trade/order-algo", desk(lambda venue: venue.find_algo(BTC, "pairitys1"))),
    "open orders": ("trade/orders-pending", desk(lambda venue: venue.open_orders())),
    "recent orders": ("trade/orders-history", desk(lambda venue: venue.recent_orders())),
    "algos": ("trade/orders-algo-pending", desk(lambda venue: venue.algo_orders())),
    "fills": ("trade/fills-history", desk(lambda venue: venue.fills(None, SINCE))),
    "ticker": ("market/ticker", desk(lambda venue: venue.last_price(BTC))),
    "listings": ("public/instruments", market(lambda source: source.listings(["BTC"]))),
    "assets": ("public/instruments", market(lambda source: source.assets())),
    "schedule": ("public/funding-rate", market(_live_funding)),
}
HISTORY = {
    "candles_1h": "market/history-candles",
    "funding": "public/funding-rate-history",
    "mark_1h": "market/history-mark-price-candles",
    "index_1h": "market/history-index-candles",
    "open_interest": "rubik/stat/contracts/open-interest-history",
    "taker_volume_1h": "rubik/stat/taker-volume-contract",
    "trade_bars_1m": "market/history-trades",
}
SNAPSHOT = {
    "book_tops": "market/books",
    "liquidations": "public/liquidation-orders",
    "open_interest": "public/open-interest",
}
READS |= {
    f"history of {name}": (path, market(lambda source, name=name: source.fetch(name, "BTC", SINCE, UNTIL)))
    for name, path in HISTORY.items()
}
READS |= {
    f"snapshot of {name}": (path, market(lambda source, name=name: source.snapshot(name, "BTC")))
    for name, path in SNAPSHOT.items()
}
STOPS = AttachedStops("pairitys1", Decimal(1), Decimal(9))
WRITES: dict[str, tuple[str, Ask]] = {
    "order": (
        "trade/order",
        desk(lambda venue: venue.place(OrderRequest("pairitye1", BTC, Side.BUY, Decimal(1), attached=STOPS))),
    ),
    "protection": (
        "trade/order-algo",
        desk(
            lambda venue: venue.place_protection(
                ProtectionRequest("pairitys1", BTC, Side.SELL, Decimal(1), Decimal(1), Decimal(9))
            )
        ),
    ),
    "cancellation": ("trade/cancel-order", desk(lambda venue: venue.cancel(BTC, "pairitye1"))),
    "cancelled stop": ("trade/cancel-algos", desk(lambda venue: venue.cancel_algo(BTC, "68"))),
}

ODD_VALUES = st.sampled_from(
    [
        None, True, False, 0, -1, 1.5, 10**30, "", " ", "0", "-1", "1e5", "1e1000000", "-1e1000000", "1e-1000000",
        "9" * 50, "9" * 5000, "0." + "0" * 60 + "1", "nan", "NaN", "Infinity", "-inf", "1_000", "0x10", "१", "1e400",
        "9223372036854775808", "-9223372036854775809", "253402300800000", "4102444800001", "99999999999999999999",
        [], {}, [[]], [{}], {"a": {"b": []}}, ["1"], "live", "buy", "net", "long", "x" * 300, "\x00", "\u202e", "é",
        "<b>", "' OR 1=1", "../../etc/passwd", "\n\r", "{}", "[", "1742317200000", "0e99", "0e-99",
    ]
)  # fmt: skip
# Copies: a later mutation changes what an earlier one put in.
ODD_VALUES = ODD_VALUES.map(copy.deepcopy)
ODD_TEXTS = [
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 60,
    '"a":1,"a":2',
    "[" * 50,
    "{" * 50,
    "\\ud800",
    "\x00",
    ",",
    '"',
    "}",
    "]",
]


def mutated(root: Any, data: st.DataObject) -> Any:
    root = copy.deepcopy(root)
    for _ in range(data.draw(st.integers(1, 3))):
        ways = list(itertools.islice(paths(root), 2_000))
        way = ways[data.draw(st.integers(0, len(ways) - 1))]
        if not way:
            root = data.draw(ODD_VALUES) if data.draw(st.booleans()) else [root]
            continue
        parent = root
        for key in way[:-1]:
            parent = parent[key]
        value = parent[way[-1]]
        kind = data.draw(
            st.sampled_from(
                ["drop", "drop", "odd", "odd", "odd", "odd", "odd", "odd", "wrap", "rename", "deep", "many"]
            )
        )
        if kind == "drop":
            del parent[way[-1]]
        elif kind == "odd":
            parent[way[-1]] = data.draw(ODD_VALUES)
        elif kind == "wrap":
            parent[way[-1]] = data.draw(st.sampled_from([[value], {"0": value}]))
        elif kind == "many":
            times = data.draw(st.sampled_from([2, 99, 100, 101, 11_000]))
            times = times if len(json.dumps(value)) * times < 1_000_000 else 2
            parent[way[-1]] = [copy.deepcopy(value) for _ in range(times)]
        elif kind == "rename" and isinstance(parent, dict):
            parent[data.draw(st.sampled_from(["", "data", "code", "sCode", "é"]))] = parent.pop(way[-1])
        else:
            for _ in range(data.draw(st.sampled_from([5, 20, 300]))):
                parent[way[-1]] = [parent[way[-1]]]
    return root


def text_of(root: Any, data: st.DataObject) -> str:
    text = json.dumps(root)
    if data.draw(st.integers(0, 3)) == 0:
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.sampled_from([at, at + 1, len(text)]))
        text = text[:at] + data.draw(st.sampled_from(ODD_TEXTS)) + text[end:]
    return text


def ask_about(bodies: dict[str, str], ask: Ask) -> Any:
    began = time.thread_time()
    try:
        return asyncio.run(ask(canned_client(bodies)))
    finally:
        assert time.thread_time() - began < 2.0, "the loop stood still"


def envelope(data: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": data}


def good_bodies() -> dict[str, str]:
    return {path: json.dumps(envelope(data)) for path, data in DATA.items()}


def require_possible(value: Any) -> None:
    """Every number of a result is finite and of a size that can be computed with."""
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, Decimal):
        assert value.is_finite()
        assert abs(value.adjusted()) <= 24 or value == 0
    elif isinstance(value, datetime):
        assert datetime(1970, 1, 1, tzinfo=UTC) <= value <= datetime(2101, 1, 1, tzinfo=UTC)
    elif isinstance(value, pl.DataFrame):
        for series in value.get_columns():
            assert series.dtype != pl.Float64 or series.drop_nulls().is_finite().all()
            assert series.dtype != pl.Datetime("us", "UTC") or all(to_ms(at) >= 0 for at in series.drop_nulls())
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            require_possible(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for item in value:
            require_possible(item)
    elif isinstance(value, dict):
        require_possible(list(value.values()))


@pytest.mark.parametrize("name", READS)
def test_the_answers_themselves_are_read(name: str) -> None:
    value = ask_about(good_bodies(), READS[name][1])
    assert not isinstance(value, Unclear | Missing)
    require_possible(value)


@pytest.mark.parametrize("name", WRITES)
def test_the_answers_to_writes_are_read(name: str) -> None:
    path, ask = WRITES[name]
    ask_about({path: json.dumps(envelope([WRITTEN[path]]))}, ask)


def examine_read(name: str, data: st.DataObject) -> None:
    path, ask = READS[name]
    text = text_of(mutated(envelope(DATA[path]), data), data)
    # An account in another mode is for a person to change; an asset that the venue does not list is an unknown name.
    answered = {"config": ConfigError}.get(name, UnknownNameError)
    try:
        value = ask_about(good_bodies() | {path: text}, ask)
    except (VenueError, NotServedError, answered) as error:
        said = str(error)
    else:
        said = ""
        require_possible(value)
    assert len(said) < 1500


def examine_write(name: str, data: st.DataObject) -> None:
    path, ask = WRITES[name]
    text = text_of(mutated(envelope([WRITTEN[path]]), data), data)
    try:
        value = ask_about({path: text}, ask)
    except (OrderUnknownError, VenueRejectedError):
        return
    assert value is None or value.isprintable()


@pytest.mark.parametrize("name", READS)
@settings(max_examples=20)
@given(data=st.data())
def test_a_damaged_answer_is_a_value_or_a_venue_error(name: str, data: st.DataObject) -> None:
    examine_read(name, data)


@pytest.mark.parametrize("name", WRITES)
@settings(max_examples=25)
@given(data=st.data())
def test_a_damaged_answer_to_a_write_is_never_a_failure_of_another_kind(name: str, data: st.DataObject) -> None:
    examine_write(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*READS, *WRITES])
@settings(max_examples=150)
@given(data=st.data())
def test_many_damaged_answers(name: str, data: st.DataObject) -> None:
    if name in READS:
        examine_read(name, data)
    if name in WRITES:
        examine_write(name, data)


def _recorded() -> list[Any]:
    """Rows of every answer that was recorded at the venue or printed in its guide."""
    folder = Path(os.environ.get("PAIRITY_RECORDED_DATA", "")) / "payloads" / "okx"
    found = []
    for file in sorted(folder.rglob("*.json")):
        content = json.loads(file.read_text())
        for answer in content.get("examples", [content]) if isinstance(content, dict) else []:
            if isinstance(answer, dict) and isinstance(answer.get("data"), list) and len(answer["data"]) < 50:
                found.append(answer)
    return found


@pytest.mark.recorded
@pytest.mark.skipif(not _recorded(), reason="needs PAIRITY_RECORDED_DATA with payloads")
@settings(max_examples=30)
@given(data=st.data())
def test_recorded_answers_to_any_question_do_no_harm(data: st.DataObject) -> None:
    """Also the answers to other questions: whatever endpoint gave them."""
    answer = data.draw(st.sampled_from(_recorded()))
    name = data.draw(st.sampled_from(sorted(READS)))
    path, ask = READS[name]
    text = json.dumps(answer) if data.draw(st.booleans()) else text_of(mutated(answer, data), data)
    try:
        require_possible(ask_about(good_bodies() | {path: text}, ask))
    except (VenueError, NotServedError, UnknownNameError):
        return
