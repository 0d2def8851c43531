"""The textual form of every field equals that of the venue's own: text, number, instant, or empty.

Where the venue always fills a field of a swap, so do we, and the other way round. Rows of other products and rows made
up for parsers differ; what they differ in is named below with the reason.
"""

import re

import pytest

from tests.paper_exchange.exchange_server import inject
from tests.paper_exchange.http.routes.recorded_questions import COMPARED, READS, WRITES, samples
from tests.paper_exchange.recorded_forms import collect, named
from tests.paper_exchange.signed_requests import send

pytestmark = COMPARED

MOST_DECIMALS = 16
"""Decimals that the longest recorded numbers have."""
OTHER_PRODUCTS = (
    "cryptofeed/public_instruments_SPOT",
    "cryptofeed/public_instruments_FUTURES",
    "nautilus_trader/http_get_instruments_spot",
    "nautilus_trader/http_get_instruments_margin",
    "nautilus_trader/http_get_instruments_futures",
    "guide/public__data__rest-api-get-instruments",
    "guide/trading__account__rest-api-get-instruments",
    "guide/public__data__rest-api-get-position-tiers",  # spot margin
    "nautilus_trader/http_get_position_tiers",  # the same sample
    "guide/trading__account__rest-api-get-positions",  # spot margin
    "guide/trading__account__rest-api-get-balance",  # of an account that borrows
)
"""Samples of other products and modes: their fields are filled where ours are empty, by nature."""
MADE_UP = ("nautilus_trader/http_get_positions", "nautilus_trader/http_place_algo_order_rejected")
"""Rows composed for the tests of a parser, with fields that exclude each other."""
CHOSEN = named(
    "clOrdId algoClOrdId attachAlgoClOrdId algoId ordId posId tag reqId triggerTime actualPx actualSide "
    "triggerPx triggerPxType ordPx slTriggerPx slOrdPx slTriggerPxType tpTriggerPx tpOrdPx tpTriggerPxType "
    "closeFraction sz"
)
"""Fields that follow from what was ordered, or are ids."""
OF_SPOT = named("tgtCcy tradeQuoteCcy makerU makerUSDC takerU takerUSDC interest feeRate")
"""Fields that only spot fills, or only swaps."""
OF_SWAPS = named("lever stpMode posSide ccy fillIdxPx fillMarkPx")
"""Fields that are filled for swaps alone: the guide's samples of orders, algo orders, fills and bills are of spot."""
OF_SPOT_ORDERS = ("guide/order__book__trading", "guide/trading__account__rest-api-get-bills")
TIMES_IN_SECONDS = "guide/order__book__trading-trade-post-cancel-all-after"
DIFFERENT = {
    ("trade/order", "sMsg"): "recorded answers say Order placed, the guide's samples nothing",
    ("trade/batch-orders", "sMsg"): "recorded answers say Order placed, the guide's samples nothing",
    ("trade/orders-pending", "avgPx"): "a made-up row says 0; recorded orders without a fill say nothing",
    ("trade/orders-pending", "fillPx"): "a made-up row says 0; recorded orders without a fill say nothing",
    ("trade/orders-pending", "fillTime"): "a made-up row says 0; recorded orders without a fill say nothing",
    ("trade/orders-pending", "tradeId"): "a made-up row says 0; recorded orders without a fill say nothing",
    ("trade/orders-algo-pending", "amendPxOnTriggerType"): "recorded rows say 0, one of 2022 nothing",
    ("trade/orders-algo-history", "amendPxOnTriggerType"): "recorded rows say 0, one of 2022 nothing",
    ("account/balance", "mgnRatio"): "the recorded account has no cross position",
    ("public/instruments", "contTdSwTime"): "filled for recorded BTC and ETH, empty for one",
    ("public/instruments", "openType"): "empty in an older row",
    ("public/instruments", "posLmtAmt"): "empty in an older row",
    ("public/instruments", "posLmtPct"): "empty in an older row",
}
"""(endpoint, field): why our form may differ from that of one sample."""


def differ(name, path, answer):
    if name in (*OTHER_PRODUCTS, *MADE_UP):
        return {}
    ours, differences = collect(answer), {}
    for sample in samples(name):
        for field, forms in collect(sample).items():
            excused = field in CHOSEN | OF_SPOT or (path, field) in DIFFERENT
            excused = excused or (name.startswith(OF_SPOT_ORDERS) and field in OF_SWAPS)
            excused = excused or (name == TIMES_IN_SECONDS and field == "ts")
            excused = excused or (field == "msg" and name.endswith("rejected"))
            if field in ours and not excused and not forms & ours[field]:
                differences[field] = (sorted(forms), sorted(ours[field]))
    return differences


@pytest.mark.parametrize("name", READS)
def test_reads(full_url, name):
    path, query = READS[name]
    if path == "system/status":
        inject(full_url, "status_ongoing", "system/status")
    answer = send(full_url, "GET", path, query).json()
    assert differ(name, path, answer) == {}
    assert find_long_numbers(answer) == {}


@pytest.mark.parametrize("name", WRITES)
def test_writes(full_url, name):
    path, body = WRITES[name]
    assert differ(name, path, send(full_url, "POST", path, body).json()) == {}


def find_long_numbers(value, name=""):
    """{field: text} of numbers with more decimals than the venue writes."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else ((name, item) for item in value)
        return {key: text for field, item in items for key, text in find_long_numbers(item, field).items()}
    long = isinstance(value, str) and re.fullmatch(rf"-?[0-9]+\.[0-9]{{{MOST_DECIMALS + 1},}}", value)
    return {name: value} if long else {}
