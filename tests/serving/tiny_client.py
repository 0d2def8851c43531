"""A ccxt client over the very small OKX, faults included: they strike on the way there or back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import ccxt

from tests.serving.tiny_okx import TinyOkx


class TinyClient:
    """What `call` needs of a ccxt client, faults included: the exceptions are those that ccxt raises for them."""

    def __init__(self, exchange: TinyOkx) -> None:
        self.exchange = exchange
        self.urls = {"api": {"rest": "http://tiny"}}
        self.options: dict[str, Any] = {}

    def implode_hostname(self, url: str) -> str:
        return url

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        async def implicit(params: Any) -> Any:
            return faulty(self.exchange, name, params)

        return implicit


BEFORE = ("throttled", "html", "empty", "reset_before")
"""Faults that strike before the request is carried out; the venue's answer does not always say so."""
AFTER = ("timeout", "aborted", "reset", "busy_50004", "throttled_after", "cut")
"""Faults that strike after it was."""


def faulty(exchange: TinyOkx, name: str, params: Any) -> Any:
    kind = exchange.strike(name)
    if kind == "throttled":
        raise ccxt.RateLimitExceeded('okx {"msg":"Too Many Requests","code":"50011"}')
    if kind == "html":
        return "<html>maintenance</html>"
    if kind == "empty":
        return None
    if kind == "reset_before":
        raise ccxt.ExchangeNotAvailable("okx POST") from aiohttp.ServerDisconnectedError()
    if kind == "missing":
        exchange.calls.append((name, params))
        raise ccxt.OrderNotFound('okx {"code":"51603","data":[],"msg":"Order does not exist"}')
    if kind == "late":
        exchange.late.append((2, name, params))
        raise ccxt.RequestTimeout("okx POST")
    if kind == "no_rows":
        return {"code": "0", "msg": "", "data": []}
    if kind == "garbage":
        return {"code": "0", "msg": "", "data": [{"nothing": "useful"}]}
    answer = exchange.answer(name, params)
    if kind == "timeout":
        raise ccxt.RequestTimeout("okx POST")
    if kind == "aborted":
        raise ccxt.ExchangeError("okx POST") from aiohttp.ClientPayloadError()
    if kind == "reset":
        raise ccxt.ExchangeNotAvailable("okx POST") from aiohttp.ServerDisconnectedError()
    if kind == "busy_50004":
        raise ccxt.RequestTimeout('okx {"code":"50004","data":[],"msg":"Endpoint request timeout"}')
    if kind == "throttled_after":
        raise ccxt.RateLimitExceeded('okx {"msg":"Too Many Requests","code":"50011"}')
    if kind == "cut":
        return json.dumps(answer)[: len(json.dumps(answer)) // 2]
    if answer["code"] != "0":
        raise ccxt.ExchangeError(f"okx {json.dumps(answer)}")
    return answer
