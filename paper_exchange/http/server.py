"""The HTTP frame: one request at a time through limits, authentication, the engine's settlement and its handler.

Public handlers come from `public_routes.py`, private ones from `private_routes.py`; both tables are
{(METHOD, path): handler(Call)}. Handlers are plain functions: nothing awaits between settlement and answer, so every
answer shows one consistent state.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from paper_exchange.clock import VirtualClock, wall_ms
from paper_exchange.faults.catalogue import Fault, FaultPlan
from paper_exchange.faults.fault_delivery import BATCH_KINDS, join_batch, json_answer, split_batch, strike
from paper_exchange.http.auth import Credentials, verify
from paper_exchange.http.control import add_control_routes
from paper_exchange.http.envelope import Json, WireError, ok
from paper_exchange.http.rate_limits import RateLimiter
from paper_exchange.http.request import Call, Engine, Handler, Params, Routes, parse_body
from paper_exchange.market.market import Market

__all__ = ["Call", "Engine", "Exchange", "Handler", "Params", "Routes", "make_app"]

MAX_BODY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Exchange:
    """The parts of a running exchange. `limiter` None switches rate limits off."""

    market: Market
    clock: VirtualClock
    engine: Engine | None
    credentials: Credentials
    faults: FaultPlan
    limiter: RateLimiter | None
    public: Routes
    private: Routes

    def settle(self) -> int:
        """Let the engine catch up with the clock; the instant of that."""
        now_ms = self.clock.now_ms()
        if self.engine is not None:
            self.engine.settle_until(now_ms)
        return now_ms


def make_app(
    market: Market,
    clock: VirtualClock,
    engine: Engine | None,
    credentials: Credentials,
    *,
    control: bool = False,
    rate_limits: bool = True,
    faults: FaultPlan | None = None,
    public: Routes | None = None,
    private: Routes | None = None,
) -> web.Application:
    """The exchange as an aiohttp application; without an engine, only the public endpoints answer."""
    exchange = Exchange(
        market,
        clock,
        engine,
        credentials,
        faults if faults is not None else FaultPlan(),
        RateLimiter() if rate_limits else None,
        public if public is not None else _public_routes(),
        private if private is not None else _private_routes(engine),
    )
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    if control:
        add_control_routes(app, exchange)

    async def handle(request: web.Request) -> web.StreamResponse:
        return await _handle(exchange, request)

    app.router.add_route("*", "/{path:.*}", handle)
    return app


async def _handle(exchange: Exchange, request: web.Request) -> web.StreamResponse:
    body = await request.read()
    fault = exchange.faults.next_strike(request.method, request.path)
    if fault is None:
        return _answer(exchange, request, body, None)
    if fault.kind in BATCH_KINDS:
        return _answer(exchange, request, body, fault)
    done = _answer(exchange, request, body, None) if fault.executed else web.Response()
    return await strike(fault, request, done)


def _answer(exchange: Exchange, request: web.Request, body: bytes, fault: Fault | None) -> web.Response:
    try:
        return json_answer(_execute(exchange, request, body, fault))
    except WireError as refusal:
        return json_answer(refusal.body(), refusal.http_status)


def _execute(exchange: Exchange, request: web.Request, body: bytes, fault: Fault | None) -> dict[str, Json]:
    route = (request.method, request.path)
    handler = exchange.public.get(route) or exchange.private.get(route)
    if handler is None:
        raise _no_route(exchange, request)
    rows = [dict(request.query)] if request.method == "GET" else parse_body(body)
    _admit(exchange, request, body, rows)
    now_ms = exchange.settle()

    def handled(elements: list[dict[str, Json]]) -> dict[str, Json]:
        params = [Params(element) for element in elements]
        first = params[0] if params else Params({})
        call = Call(
            request.method,
            request.path,
            first,
            params,
            request.headers,
            now_ms,
            exchange.market,
            exchange.engine,
            exchange.faults,
        )
        result = handler(call)
        return result if isinstance(result, dict) else ok(result)

    if fault is None:
        return handled(rows)
    others, index = split_batch(fault, rows)
    return join_batch(fault, handled(others) if others else ok([]), rows[index], index)


def _admit(exchange: Exchange, request: web.Request, body: bytes, rows: list[dict[str, Json]]) -> None:
    """Count the request and check who sends it; public calls may be signed, but nobody looks."""
    private = (request.method, request.path) not in exchange.public
    if private:
        verify(
            request.headers,
            request.method,
            request.raw_path,
            body,
            credentials=exchange.credentials,
            clocks_ms=(wall_ms(), exchange.clock.now_ms()),
        )
    if exchange.limiter is not None:
        caller = request.headers.get("OK-ACCESS-KEY", "") if private else (request.remote or "")
        exchange.limiter.check(request.method, request.path, caller, [Params(row) for row in rows])


def _no_route(exchange: Exchange, request: web.Request) -> WireError:
    other_methods = [method for method, path in (*exchange.public, *exchange.private) if path == request.path]
    if other_methods:
        return WireError("50115", "Invalid request method.", http_status=405)
    return WireError("50404", f"The paper exchange does not serve {request.path}", http_status=404)


def _public_routes() -> Routes:
    from paper_exchange.http.routes.public import ROUTES

    return ROUTES


def _private_routes(engine: Engine | None) -> Routes:
    if engine is None:
        return {}
    from paper_exchange.http.routes.private import ROUTES

    return ROUTES
