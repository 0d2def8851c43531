"""Requests that mean harm: a refusal of the venue's kind, at once, whoever sends them."""

import time

import pytest
import requests

from tests.paper_exchange.exchange_server import get

HUGE = ["1e1000000", "-1e1000000", "1e-1000000", "9" * 5_000, "NaN", "Infinity", "1_000", "１"]


@pytest.mark.parametrize("value", HUGE, ids=ascii)
@pytest.mark.parametrize("name", ["limit", "after", "before"])
def test_a_number_that_nobody_can_mean_is_a_refused_parameter(url, name, value):
    began = time.process_time()
    answer = get(url, "market/history-candles", instId="BTC-USDT-SWAP", bar="1H", **{name: value})
    assert time.process_time() - began < 1.0
    assert answer["code"] == "51000"
    assert name in answer["msg"]


@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 100_000, "[1]", "nonsense", '{"sz":' + "9" * 100_000 + "}"])
def test_a_body_that_is_no_order_is_refused(url, body):
    answer = requests.post(f"{url}/api/v5/trade/order", data=body)
    assert answer.status_code < 500
    assert answer.json()["code"] != "0"


@pytest.mark.parametrize("body", ["[" * 100_000, '{"to":1e999}', '{"by_ms":"1e1000000"}', '{"to":true,"by_ms":[]}'])
def test_a_clock_is_not_stepped_by_nonsense(url, body):
    answer = requests.post(f"{url}/control/advance", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
