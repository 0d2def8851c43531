"""Control endpoints for tests, drills and replay: the clock and the faults. They exist only when asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiohttp import web

from pairity.errors import ConfigError
from paper_exchange.faults.catalogue import CATALOGUE, Fault
from paper_exchange.faults.fault_delivery import json_answer
from paper_exchange.http.envelope import Json

if TYPE_CHECKING:
    from paper_exchange.http.server import Exchange


def add_control_routes(app: web.Application, exchange: Exchange) -> None:
    """POST advance, GET state, POST/GET/DELETE faults, all under /control; refusals are HTTP 400 with a message."""

    async def advance(request: web.Request) -> web.Response:
        order = await _read(request)
        clock = exchange.clock
        try:
            if ("to" in order) == ("by_ms" in order):
                raise ConfigError("advance needs one of `to` and `by_ms`", 'send {"to": <ms>} or {"by_ms": <ms>}')
            clock.advance_to(int(order["to"]) if "to" in order else clock.now_ms() + int(order["by_ms"]))
        except (ConfigError, TypeError, ValueError) as error:
            return _refused(error)
        exchange.settle()
        return json_answer(_state(exchange))

    async def state(_: web.Request) -> web.Response:
        exchange.settle()
        return json_answer(_state(exchange))

    async def add_fault(request: web.Request) -> web.Response:
        order = await _read(request)
        try:
            fault = exchange.faults.add(
                str(order.get("kind", "")), str(order.get("path", "*")), order.get("count", 1), order.get("params")
            )
        except (ConfigError, TypeError, ValueError) as error:
            return _refused(error)
        return json_answer(_shown(fault))

    async def faults(_: web.Request) -> web.Response:
        waiting = [_shown(fault) for fault in exchange.faults.waiting]
        return json_answer({"waiting": waiting, "catalogue": {name: kind.meaning for name, kind in CATALOGUE.items()}})

    async def clear(_: web.Request) -> web.Response:
        exchange.faults.clear()
        return json_answer({"waiting": []})

    app.router.add_post("/control/advance", advance)
    app.router.add_get("/control/state", state)
    app.router.add_post("/control/faults", add_fault)
    app.router.add_get("/control/faults", faults)
    app.router.add_delete("/control/faults", clear)


async def _read(request: web.Request) -> Mapping[str, Json]:
    try:
        order = json.loads(await request.read() or b"{}")
    except ValueError:
        order = None
    if not isinstance(order, dict):
        raise web.HTTPBadRequest(text='{"error":"the body is not a JSON object"}', content_type="application/json")
    return order


def _state(exchange: Exchange) -> dict[str, Json]:
    market, clock = exchange.market, exchange.clock
    return {
        "now_ms": clock.now_ms(),
        "start_ms": clock.start_ms,
        "clock": clock.mode,
        "market": market.label,
        "market_start_ms": market.start_ms,
        "market_end_ms": market.end_ms,
        "bar_ms": {inst_id: market.bar_ms(inst_id) for inst_id in market.instruments},
        "faults_waiting": len(exchange.faults.waiting),
    }


def _shown(fault: Fault) -> dict[str, Json]:
    return {"kind": fault.kind, "path": fault.path, "left": fault.left, "params": dict(fault.params)}


def _refused(error: Exception) -> web.Response:
    return json_answer({"error": str(error)}, status=400)
