"""What a script lets happen to an order as it comes to rest, through the real ccxt client."""

import pytest

from tests.paper_exchange.exchange_server import inject

BTC = "BTC/USDT:USDT"


def rest(okx, price, client_id, size=4):
    return okx.create_order(BTC, "limit", "buy", size, price * 0.9, {"postOnly": True, "clientOrderId": client_id})


def test_an_order_fills_in_part_as_soon_as_it_rests(okx, account_url, price):
    inject(account_url, "partial_rest", "trade/*order*", share=0.5)
    partly = okx.fetch_order(rest(okx, price, "one")["id"], BTC)
    assert (partly["status"], partly["filled"], partly["remaining"]) == ("open", 2, 2)
    [trade] = okx.fetch_my_trades(BTC)
    assert (trade["amount"], trade["takerOrMaker"]) == (2, "maker")
    assert trade["price"] == pytest.approx(price * 0.9, rel=1e-3)
    okx.cancel_order(partly["id"], BTC)
    ended = okx.fetch_order(partly["id"], BTC)
    assert (ended["status"], ended["filled"]) == ("canceled", 2)
    whole = okx.fetch_order(rest(okx, price, "two")["id"], BTC)
    assert (whole["status"], whole["filled"]) == ("open", 0)


def test_a_post_only_order_that_would_take_is_accepted_and_cancelled(okx, account_url, price):
    inject(account_url, "would_cross", "trade/*order*")
    at_market = okx.create_order(BTC, "market", "buy", 1)
    assert okx.fetch_order(at_market["id"], BTC)["status"] == "closed"  # the fault waits for a post-only one
    crossed = okx.fetch_order(rest(okx, price, "one")["id"], BTC)
    assert (crossed["status"], crossed["filled"], crossed["info"]["cancelSource"]) == ("canceled", 0, "31")
    assert okx.fetch_order(rest(okx, price, "two")["id"], BTC)["status"] == "open"
