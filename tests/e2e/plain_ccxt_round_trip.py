"""A position with stops, opened and closed through plain ccxt: no line of pairity in it. Usage: … URL"""

import sys

import ccxt

exchange = ccxt.okx(
    {
        "apiKey": "paper",
        "secret": "paper",
        "password": "paper",
        "urls": {"api": {"rest": sys.argv[1]}},
        "enableRateLimit": False,
        "options": {"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}},
    }
)
exchange.headers = {"x-simulated-trading": "1"}
exchange.load_markets()
SYMBOL = "BTC/USDT:USDT"
exchange.set_leverage(1, SYMBOL, {"mgnMode": "cross"})
before = exchange.fetch_balance()["USDT"]
price = exchange.fetch_ticker(SYMBOL)["last"]
placed = exchange.create_order(
    SYMBOL,
    "market",
    "buy",
    1.0,
    None,
    {
        "clientOrderId": "plainccxt1",
        "stopLoss": {"triggerPrice": price * 0.95, "type": "market"},
        "takeProfit": {"triggerPrice": price * 1.05, "type": "market"},
    },
)
order = exchange.fetch_order(placed["id"], SYMBOL)
assert order["status"] == "closed", order
assert order["filled"] == 1.0
position = exchange.fetch_position(SYMBOL)
assert (position["side"], position["contracts"]) == ("long", 1.0), position
stops = exchange.fetch_open_orders(SYMBOL, None, None, {"trigger": True, "ordType": "conditional,oco"})
assert len(stops) == 1, stops
assert stops[0]["stopLossPrice"] < order["average"] < stops[0]["takeProfitPrice"]
exchange.create_order(SYMBOL, "market", "sell", 1.0, None, {"reduceOnly": True, "clientOrderId": "plainccxt2"})
assert exchange.fetch_positions([SYMBOL]) == []
assert exchange.fetch_open_orders(SYMBOL, None, None, {"trigger": True, "ordType": "conditional,oco"}) == []
trades = exchange.fetch_my_trades(SYMBOL)
paid = sum(trade["fee"]["cost"] for trade in trades)
profit = sum((1 if t["side"] == "sell" else -1) * t["price"] * t["amount"] for t in trades) * 0.01
after = exchange.fetch_balance()["USDT"]
assert abs(after["total"] - before["total"] - (profit - paid)) < 1e-9, (before, after, profit, paid)
print(
    f"opened at {order['average']}, protected by {stops[0]['stopLossPrice']} and {stops[0]['takeProfitPrice']}, "
    f"closed; fees {paid:.4f} USDT, equity {before['total']} -> {after['total']}"
)
