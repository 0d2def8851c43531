"""Requests to change one field of, an account that rests, and what a refusal may not touch."""

from tests.paper_exchange.handmade_market import BTC

ORDER = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "limit", "px": "99", "sz": "1"}
STOP = {
    "instId": BTC,
    "tdMode": "cross",
    "side": "sell",
    "ordType": "conditional",
    "sz": "1",
    "slTriggerPx": "90",
    "slOrdPx": "-1",
    "reduceOnly": "true",
}
LEVER = {"instId": BTC, "lever": "3", "mgnMode": "cross"}
CLOSE = {"instId": BTC, "mgnMode": "cross"}


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}


def books(account):
    orders = [(o.state, o.size, o.price) for o in account.orders.values()]
    algos = [(a.state, a.size, a.trigger) for a in account.algos.values()]
    return (
        account.ledger.cash,
        orders,
        algos,
        dict(account.leverage),
        dict(account.cancel_all_at),
        dict(account.positions),
    )
