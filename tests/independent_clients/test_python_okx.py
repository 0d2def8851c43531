"""python-okx, OKX's own client for Python: every answer is held against what the exchange itself knows."""

from contextlib import ExitStack
from decimal import Decimal
from types import SimpleNamespace

import pytest

from tests.independent_clients.paper_desk import BTC, ETH, START_MS

okx = pytest.importorskip("okx", reason="python-okx is not installed: make install brings it")

pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),  # python-okx stamps with it
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),  # and hands httpx text as data
]


@pytest.fixture
def api(desk):
    """The client's parts, with nothing changed but keys and address."""
    from okx import Account, MarketData, PublicData, Status, Trade

    keys = {"api_key": "paper", "api_secret_key": "paper", "passphrase": "paper", "flag": "1", "domain": desk.url}
    kinds = {
        "account": Account.AccountAPI,
        "trade": Trade.TradeAPI,
        "market": MarketData.MarketAPI,
        "public": PublicData.PublicAPI,
        "status": Status.StatusAPI,
    }
    with ExitStack() as opened:
        yield SimpleNamespace(**{name: opened.enter_context(kind(**keys)) for name, kind in kinds.items()})


def rows(answer):
    assert answer["code"] == "0", answer
    return answer["data"]


def row(answer):
    [only] = rows(answer)
    return only


def refusal(answer):
    """The code of a refusal: that of its one element, or of the whole."""
    elements = answer["data"]
    return elements[0]["sCode"] if elements else answer["code"]


def test_reference_data(api, desk):
    assert int(row(api.public.get_system_time())["ts"]) == START_MS
    assert rows(api.status.status()) == []
    listed = {each["instId"]: each for each in rows(api.public.get_instruments("SWAP"))}
    assert set(listed) == set(desk.market.instruments)
    assert listed == {each["instId"]: each for each in rows(api.account.get_instruments("SWAP"))}
    for name, known in desk.market.instruments.items():
        shown = listed[name]
        for field, value in (("ctVal", known.ct_val), ("lotSz", known.lot_sz), ("minSz", known.min_sz)):
            assert Decimal(shown[field]) == value
        assert (shown["state"], shown["settleCcy"], Decimal(shown["tickSz"])) == ("live", "USDT", known.tick_sz)
    tiers = rows(api.public.get_position_tiers("SWAP", "cross", instFamily="BTC-USDT"))
    known = desk.market.instruments[BTC].list_tiers()
    assert [Decimal(tier["maxSz"]) for tier in tiers] == [tier.max_sz for tier in known]
    assert row(api.public.get_convert_contract_coin(type="1", instId=BTC, sz="0.0257"))["sz"] == "2.57"
    assert row(api.public.get_convert_contract_coin(type="2", instId=BTC, sz="3"))["sz"] == "0.03"


def test_market_data(api, desk):
    last, mark = desk.account.last(BTC), desk.account.mark(BTC)
    ticker = row(api.market.get_ticker(BTC))
    assert ticker in rows(api.market.get_tickers("SWAP"))
    assert Decimal(ticker["last"]) == last
    book = row(api.market.get_orderbook(BTC, sz="5"))
    assert (book["asks"][0][0], book["bids"][0][0]) == (ticker["askPx"], ticker["bidPx"])
    assert [len(book[side]) for side in ("asks", "bids")] == [5, 5]
    assert Decimal(row(api.public.get_mark_price("SWAP", instId=BTC))["markPx"]) == mark
    candles = rows(api.market.get_candlesticks(BTC, bar="1m", limit="3"))
    bars = desk.market.bars(BTC, START_MS - 200_000, START_MS)
    assert [int(candle[0]) for candle in candles] == [bar.open_ms for bar in reversed(bars)][:3]
    assert [candle[8] for candle in candles] == ["0", "1", "1"]
    assert [float(part) for part in candles[1][1:5]] == list(bars[-2][1:5])
    old = rows(api.market.get_history_candlesticks(BTC, after=candles[-1][0], limit="2"))
    assert [int(candle[0]) for candle in old] == [int(candles[-1][0]) - at * 60_000 for at in (1, 2)]
    settled = rows(api.public.funding_rate_history(BTC))
    known = desk.market.funding(BTC, desk.market.start_ms, START_MS)
    assert [float(each["realizedRate"]) for each in settled] == [each.rate for each in reversed(known)]
    forecast = row(api.public.get_funding_rate(BTC))
    assert int(forecast["fundingTime"]) - START_MS < 8 * 3_600_000
    limits = row(api.public.get_price_limit(BTC))
    assert Decimal(limits["sellLmt"]) < last < Decimal(limits["buyLmt"])
    trades = rows(api.market.get_trades(BTC, limit="20"))
    assert [int(each["ts"]) for each in trades] == sorted((int(each["ts"]) for each in trades), reverse=True)
    assert refusal(api.market.get_ticker("NONE-USDT-SWAP")) == "51001"


def test_account_and_leverage(api, desk):
    assert row(api.account.get_account_config())["posMode"] == "net_mode"
    assert Decimal(row(api.account.get_account_balance())["totalEq"]) == desk.account.equity() == 100_000
    assert row(api.account.set_leverage(lever="5", mgnMode="cross", instId=BTC))["lever"] == "5"
    assert desk.account.lever(BTC) == 5
    assert [each["lever"] for each in rows(api.account.get_leverage("cross", instId=f"{BTC},{ETH}"))] == ["5", "3"]
    assert refusal(api.account.set_leverage(lever="500", mgnMode="cross", instId=BTC)) == "59102"
    fees = row(api.account.get_fee_rates("SWAP", instFamily="BTC-USDT"))
    assert (Decimal(fees["taker"]), Decimal(fees["maker"])) == (-desk.account.taker, -desk.account.maker)
    free = row(api.account.get_max_avail_size(BTC, "cross"))["availBuy"]
    assert Decimal(free) == desk.account.available()
    for margin_mode in ("cross", "isolated"):
        most = row(api.account.get_max_order_size(BTC, margin_mode))["maxBuy"]
        body = {"side": "buy", "ordType": "market", "tdMode": margin_mode, "instId": BTC}
        assert refusal(api.trade.place_order(**body, sz=str(Decimal(most) + 10))) == "51008"


def test_an_order_from_placing_to_the_archive(api, desk):
    price = desk.price(0.995)
    placed = row(api.trade.place_order(BTC, "cross", "buy", "limit", "1", px=price, clOrdId="a1", tag="mine"))
    order = desk.order("a1")
    assert (placed["ordId"], placed["sCode"], order.price) == (order.ord_id, "0", Decimal(price))
    row(api.trade.amend_order(BTC, clOrdId="a1", newSz="2", newPx=desk.price(0.994), reqId="r1"))
    assert (order.size, order.price) == (2, Decimal(desk.price(0.994)))
    assert refusal(api.trade.amend_order(BTC, clOrdId="a1")) == "51500"
    shown = row(api.trade.get_order(BTC, ordId=order.ord_id))
    assert shown == row(api.trade.get_order_list(instType="SWAP", instId=BTC, ordType="limit", state="live"))
    assert (shown["state"], shown["sz"], shown["tag"]) == ("live", "2", "mine")
    assert row(api.trade.cancel_order(BTC, clOrdId="a1"))["ordId"] == order.ord_id
    assert order.state == "canceled"
    assert refusal(api.trade.cancel_order(BTC, clOrdId="a1")) == "51400"
    row(api.trade.place_order(BTC, "cross", "buy", "market", "3", clOrdId="a2"))
    bought = row(api.trade.get_orders_history("SWAP", state="filled"))
    assert bought == row(api.trade.get_orders_history_archive("SWAP", instId=BTC))
    assert (bought["clOrdId"], Decimal(bought["avgPx"])) == ("a2", desk.order("a2").fill_px)
    [execution] = desk.account.ledger.executions
    for answer in (api.trade.get_fills(instType="SWAP", ordId=bought["ordId"]), api.trade.get_fills_history("SWAP")):
        fill = row(answer)
        assert (fill["tradeId"], Decimal(fill["fee"])) == (execution.bill.trade_id, execution.fee)
        assert Decimal(fill["fillMarkPx"]) == desk.account.mark(BTC)
    assert refusal(api.trade.get_order(BTC, clOrdId="nothing")) == "51603"


def test_batches(api, desk):
    bodies = [
        {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": size, "clOrdId": name}
        | {"px": desk.price(0.995)}
        for name, size in (("b1", "1"), ("b2", "0"))
    ]
    answer = api.trade.place_multiple_orders(bodies)
    assert (answer["code"], [each["sCode"] for each in answer["data"]]) == ("2", ["0", "51000"])
    names = [{"instId": BTC, "clOrdId": name} for name in ("b1", "b2")]
    amended = api.trade.amend_multiple_orders([{**name, "newSz": "4"} for name in names])
    assert [each["sCode"] for each in amended["data"]] == ["0", "51503"]
    assert desk.order("b1").size == 4
    cancelled = api.trade.cancel_multiple_orders(names)
    assert [each["sCode"] for each in cancelled["data"]] == ["0", "51400"]
    assert desk.account.pending() == []


def test_attached_stops_and_both_ways_to_amend_them(api, desk):
    stops = {"attachAlgoClOrdId": "st1", "slTriggerPx": desk.price(0.97), "slOrdPx": "-1"}
    body = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1", "px": desk.price(0.995)}
    row(api.trade.place_order(**body, clOrdId="a1", attachAlgoOrds=[stops]))
    order = desk.order("a1")
    changes = [{"attachAlgoClOrdId": "st1", "newSlTriggerPx": desk.price(0.96), "newSlTriggerPxType": "mark"}]
    row(api.trade.amend_order(BTC, clOrdId="a1", attachAlgoOrds=changes))
    assert (order.attached[0].sl_trigger, order.attached[0].sl_type) == (Decimal(desk.price(0.96)), "mark")
    # The older fields, which this client and ccxt still send.
    row(api.trade.amend_order(BTC, clOrdId="a1", newSz="2", newSlTriggerPx=desk.price(0.95), newSlOrdPx="-1"))
    assert (order.size, order.attached[0].sl_trigger) == (2, Decimal(desk.price(0.95)))
    [shown] = row(api.trade.get_order(BTC, clOrdId="a1"))["attachAlgoOrds"]
    assert Decimal(shown["slTriggerPx"]) == Decimal(desk.price(0.95))
    assert (shown["tpTriggerPx"], shown["tpTriggerPxType"]) == ("", "")
    row(api.trade.cancel_order(BTC, clOrdId="a1"))
    row(api.trade.place_order(BTC, "cross", "buy", "market", "1", attachAlgoOrds=[stops]))
    [resting] = desk.account.live_algos()
    assert row(api.trade.get_algo_order_details(algoClOrdId="st1"))["algoId"] == resting.algo_id
    nothing = api.trade.amend_order(BTC, clOrdId="a1", newSlTriggerPx=desk.price(0.9))
    assert refusal(nothing) == "51503"


def test_algo_orders(api, desk):
    row(api.trade.place_order(BTC, "cross", "buy", "market", "4"))
    body = {"instId": BTC, "tdMode": "cross", "side": "sell", "reduceOnly": "true", "slOrdPx": "-1"}
    low, high = desk.price(0.95), desk.price(1.1)
    row(api.trade.place_algo_order(**body, ordType="conditional", sz="3", slTriggerPx=low, algoClOrdId="s1"))
    both = {"slTriggerPx": low, "tpTriggerPx": high, "tpOrdPx": "-1"}
    row(api.trade.place_algo_order(**body, **both, ordType="oco", sz="1", algoClOrdId="s2"))
    row(api.trade.place_algo_order(**body, ordType="conditional", closeFraction="1", slTriggerPx=low, algoClOrdId="s3"))
    [closing] = row(api.account.get_positions(instId=BTC))["closeOrderAlgo"]
    assert (closing["algoId"], closing["closeFraction"]) == (desk.algo("s3").algo_id, "1")
    trigger = {"ordType": "trigger", "sz": "1", "triggerPx": low, "orderPx": "-1", "algoClOrdId": "s4"}
    row(api.trade.place_algo_order(BTC, "cross", "buy", **trigger))
    trail = {"ordType": "move_order_stop", "sz": "1", "callbackRatio": "0.01", "algoClOrdId": "s5"}
    row(api.trade.place_algo_order(BTC, "cross", "sell", reduceOnly="true", **trail))
    for kind, names in (("conditional", "s3 s1"), ("oco", "s2"), ("trigger", "s4"), ("move_order_stop", "s5")):
        listed = rows(api.trade.order_algos_list(kind, instType="SWAP"))
        assert [each["algoClOrdId"] for each in listed] == names.split()
        assert all(Decimal(each["last"]) == desk.account.last(BTC) for each in listed)
    row(api.trade.amend_algo_order(BTC, algoClOrdId="s1", newSlTriggerPx=desk.price(0.96), newSlOrdPx="-1", newSz="2"))
    assert (desk.algo("s1").sl_trigger, desk.algo("s1").size) == (Decimal(desk.price(0.96)), 2)
    answer = api.trade.cancel_algo_order([{"instId": BTC, "algoClOrdId": "s1"}, {"instId": BTC, "algoId": "99"}])
    assert [each["sCode"] for each in answer["data"]] == ["0", "51400"]
    [gone] = rows(api.trade.order_algos_history("conditional", state="canceled"))
    assert (gone["algoClOrdId"], desk.algo("s1").state) == ("s1", "canceled")
    for kind in ("twap", "iceberg", "chase"):
        assert refusal(api.trade.place_algo_order(BTC, "cross", "sell", kind, sz="1")) == "51000"


def test_positions_bills_and_funding(api, desk):
    row(api.trade.place_order(BTC, "cross", "sell", "market", "2"))
    [position] = desk.account.positions.values()
    shown = row(api.account.get_positions("SWAP"))
    assert (shown["posId"], Decimal(shown["pos"])) == (position.pos_id, -2)
    assert Decimal(shown["upl"]) == position.unrealized(desk.account.mark(BTC))
    [at_risk] = row(api.account.get_position_risk())["posData"]
    assert at_risk["pos"] == "-2"
    desk.advance(hours=2)
    paid = row(api.account.get_account_bills(type="8", subType="174" if position.funding > 0 else "173"))
    assert Decimal(paid["balChg"]) == position.funding != 0
    row(api.trade.close_positions(BTC, "cross", clOrdId="out1"))
    assert rows(api.account.get_positions()) == []
    assert refusal(api.trade.close_positions(BTC, "cross")) == "51023"
    closed = row(api.account.get_positions_history(instType="SWAP", instId=BTC))
    assert (closed["posId"], closed["type"], closed["direction"]) == (position.pos_id, "2", "short")
    assert abs(Decimal(closed["realizedPnl"]) - position.realized) < Decimal("1e-15")
    bills = rows(api.account.get_account_bills(instType="SWAP"))
    assert bills == rows(api.account.get_account_bills_archive(instType="SWAP"))
    assert [each["billId"] for each in bills] == [bill.bill_id for bill in reversed(desk.account.ledger.bills)]
    assert sum(Decimal(each["balChg"]) for each in bills) == desk.account.ledger.cash - 100_000
    page = rows(api.account.get_account_bills(after=bills[0]["billId"], limit="1"))
    assert page == bills[1:2]


def test_hedge_mode_and_isolated_margin(api, desk):
    row(api.account.set_position_mode("long_short_mode"))
    row(api.account.set_leverage("4", "isolated", instId=BTC, posSide="long"))
    row(api.trade.place_order(BTC, "isolated", "buy", "market", "1", posSide="long"))
    row(api.trade.place_order(BTC, "isolated", "sell", "market", "2", posSide="short"))
    assert refusal(api.trade.place_order(BTC, "isolated", "buy", "market", "1")) == "51000"
    before = desk.account.positions[f"{BTC} isolated long"].margin
    row(api.account.adjustment_margin(BTC, "long", "add", "10"))
    assert desk.account.positions[f"{BTC} isolated long"].margin == before + 10
    shown = {each["posSide"]: each for each in rows(api.account.get_positions(instId=BTC))}
    assert (shown["long"]["pos"], shown["short"]["pos"], shown["long"]["lever"]) == ("1", "2", "4")
    balance = row(api.account.get_account_balance("USDT"))["details"][0]
    assert abs(Decimal(balance["isoEq"]) - desk.account.isolated_equity()) < Decimal("1e-15")
    row(api.trade.close_positions(BTC, "isolated", posSide="long"))
    assert list(desk.account.positions) == [f"{BTC} isolated short"]
    assert refusal(api.account.set_position_mode("net_mode")) == "59000"


@pytest.mark.parametrize(
    ("part", "method", "arguments", "code"),
    [
        ("account", "get_max_loan", [BTC, "cross"], "51010"),
        ("account", "get_interest_rate", [], "51010"),
        ("account", "set_greeks", ["PA"], "50038"),
        ("account", "get_max_withdrawal", [], "50038"),
        ("market", "get_volume", [], "50038"),
        ("public", "get_insurance_fund", [], "50038"),
        ("trade", "get_easy_convert_currency_list", [], "50038"),
    ],
)
def test_what_is_not_served(api, part, method, arguments, code):
    assert refusal(getattr(getattr(api, part), method)(*arguments)) == code
