"""Control endpoints for tests, drills and replay: the clock and the faults. They exist only if they are switched on."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import web

from pairity.errors import ConfigError
from paper_exchange.answers import make_json_answer
from paper_exchange.faults.catalogue import CATALOGUE, Fault
from paper_exchange.http.exchange import Exchange
from paper_exchange.market.listings import list_every
from paper_exchange.wire import Json


def add_control_routes(app: web.Application, exchange: Exchange) -> None:
    """Add POST advance, GET state and POST, GET, DELETE faults under /control; refusals are HTTP 400 with a message."""

    async def advance(request: web.Request) -> web.Response:
        wanted = await _read_object(request)
        clock = exchange.clock
        try:
            if ("to" in wanted) == ("by_ms" in wanted):
                raise ConfigError("advance needs one of `to` and `by_ms`", 'send {"to": <ms>} or {"by_ms": <ms>}')
            clock.advance_to(int(wanted["to"]) if "to" in wanted else clock.now_ms() + int(wanted["by_ms"]))
        except (ConfigError, TypeError, ValueError, OverflowError) as error:
            return _refuse(error)
        exchange.settle()
        exchange.notify()
        return make_json_answer(_describe_state(exchange))

    async def state(_: web.Request) -> web.Response:
        exchange.settle()
        return make_json_answer(_describe_state(exchange))

    async def add_fault(request: web.Request) -> web.Response:
        wanted = await _read_object(request)
        try:
            fault = exchange.faults.add(
                str(wanted.get("kind", "")), str(wanted.get("path", "*")), wanted.get("count", 1), wanted.get("params")
            )
        except (ConfigError, TypeError, ValueError, OverflowError) as error:
            return _refuse(error)
        return make_json_answer(_describe_fault(fault))

    async def faults(_: web.Request) -> web.Response:
        waiting = [_describe_fault(fault) for fault in exchange.faults.waiting]
        return make_json_answer(
            {"waiting": waiting, "catalogue": {name: kind.meaning for name, kind in CATALOGUE.items()}}
        )

    async def clear(_: web.Request) -> web.Response:
        exchange.faults.clear()
        return make_json_answer({"waiting": []})

    app.router.add_post("/control/advance", advance)
    app.router.add_get("/control/state", state)
    app.router.add_post("/control/faults", add_fault)
    app.router.add_get("/control/faults", faults)
    app.router.add_delete("/control/faults", clear)


async def _read_object(request: web.Request) -> Mapping[str, Json]:
    try:
        parsed = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise web.HTTPBadRequest(text='{"error":"the body is not a JSON object"}', content_type="application/json")
    return parsed


def _describe_state(exchange: Exchange) -> dict[str, Json]:
    market, clock = exchange.market, exchange.clock
    return {
        "now_ms": clock.now_ms(),
        "start_ms": clock.start_ms,
        "clock": clock.mode,
        "market": market.label,
        "market_start_ms": market.start_ms,
        "market_end_ms": market.end_ms,
        "ended_ms": dict(exchange.venue.list_ends()),
        "bar_ms": {inst_id: market.bar_ms(inst_id) for inst_id in list_every(market)},
        "faults_waiting": len(exchange.faults.waiting),
        **({} if exchange.follower is None else {"mirror": exchange.follower.describe()}),
    }


def _describe_fault(fault: Fault) -> dict[str, Json]:
    return {"kind": fault.kind, "path": fault.path, "left": fault.left, "params": dict(fault.params)}


def _refuse(error: Exception) -> web.Response:
    return make_json_answer({"error": str(error)}, status=400)
