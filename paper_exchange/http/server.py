"""The HTTP frame: one request at a time through limits, authentication, settlement and its handler.

Handlers are plain functions: nothing awaits between settlement and answer, so every answer shows one consistent state.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aiohttp import web

from paper_exchange.account.account import Account
from paper_exchange.answers import make_json_answer
from paper_exchange.clock import VirtualClock, wall_ms
from paper_exchange.events.delisting import rescale_position
from paper_exchange.events.schedule import Schedule
from paper_exchange.faults.catalogue import Fault, FaultPlan
from paper_exchange.faults.fault_delivery import BATCH_KINDS, deliver
from paper_exchange.http.auth import Credentials, verify
from paper_exchange.http.control import add_control_routes
from paper_exchange.http.exchange import Exchange
from paper_exchange.http.execution import carry_out
from paper_exchange.http.guard import add_headers, guard
from paper_exchange.http.late_sight import LateSight
from paper_exchange.http.number_forms import NumberForms
from paper_exchange.http.rate_limits import RateLimiter
from paper_exchange.http.request import Routes, parse_body
from paper_exchange.http.routes.tables import PRIVATE, PUBLIC
from paper_exchange.http.sight import Sight
from paper_exchange.http.unserved import refuse_path
from paper_exchange.market.listings import follow_listings
from paper_exchange.market.market import Market
from paper_exchange.mirror.follower import Follower
from paper_exchange.params import Params
from paper_exchange.wire import Json, WireError

MAX_BODY_BYTES = 1 << 20
AddRoutes = Callable[[web.Application, Exchange], None]
"""Adds what an application serves beside the HTTP requests of its exchange."""


def make_app(
    market: Market,
    clock: VirtualClock,
    account: Account | None,
    credentials: Credentials,
    *,
    control: bool = False,
    rate_limits: bool = True,
    faults: FaultPlan | None = None,
    private: Routes | None = None,
    schedule: Schedule | None = None,
    unkind_seed: int | None = None,
    sight: Sight | None = None,
    add_streams: AddRoutes | None = None,
    follower: Follower | None = None,
) -> web.Application:
    """Return the exchange as an aiohttp application.

    Without an account only the public endpoints answer, and those of `private`, which tests give. `schedule`
    carries out a script, on `market` and `faults`. With `unkind_seed` lists lag behind what happened, and numbers
    have trailing zeros; a `sight` that is given takes the place of the one that this chooses. `add_streams` adds the
    WebSocket endpoints; `follower` brings a market that follows a source.
    """
    follow_listings(market, clock.now_ms)
    if private is None:
        private = PRIVATE if account is not None else {}
    exchange = Exchange(
        market=market,
        clock=clock,
        account=account,
        credentials=credentials,
        faults=faults if faults is not None else FaultPlan(),
        limiter=RateLimiter() if rate_limits else None,
        public=PUBLIC,
        private=private,
        sight=sight or (Sight() if unkind_seed is None else LateSight(unkind_seed)),
        forms=None if unkind_seed is None else NumberForms(unkind_seed),
        schedule=schedule,
        follower=follower,
    )
    if follower is not None and account is not None:
        follower.on_new_value = partial(rescale_position, account)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[guard])
    app.on_response_prepare.append(add_headers)
    if control:
        add_control_routes(app, exchange)
    if add_streams is not None:
        add_streams(app, exchange)

    async def handle(incoming: web.Request) -> web.StreamResponse:
        return await _handle(exchange, incoming)

    # One route for everything, after those of control: unknown paths and methods are refused with the venue's codes.
    app.router.add_route("*", "/{path:.*}", handle)
    return app


async def _handle(exchange: Exchange, incoming: web.Request) -> web.StreamResponse:
    body = await incoming.read()
    if exchange.schedule is not None:
        # Faults that begin at a time must be there before the request that comes after it is looked at.
        exchange.settle()
        exchange.schedule.count_request(incoming.method, incoming.path)
    fault = exchange.faults.take_next_strike(incoming.method, incoming.path)
    if fault is None or fault.kind in BATCH_KINDS:
        return _answer(exchange, incoming, body, fault)
    done = _answer(exchange, incoming, body, None) if fault.executed else web.Response()
    return await deliver(fault, incoming, done)


def _answer(exchange: Exchange, incoming: web.Request, body: bytes, fault: Fault | None) -> web.Response:
    try:
        return make_json_answer(_execute(exchange, incoming, body, fault))
    except WireError as refusal:
        return make_json_answer(refusal.body(), refusal.http_status)


def _execute(exchange: Exchange, incoming: web.Request, body: bytes, fault: Fault | None) -> dict[str, Json]:
    """Carry out a request and return its envelope."""
    route = (incoming.method, incoming.path)
    if route not in exchange.public and route not in exchange.private:
        raise _refuse_route(exchange, incoming)
    rows = [dict(incoming.query)] if incoming.method == "GET" else parse_body(incoming.path, body)
    _admit(exchange, incoming, body, rows)
    return carry_out(exchange, route, rows, incoming.headers, fault)


def _admit(exchange: Exchange, incoming: web.Request, body: bytes, rows: list[dict[str, Json]]) -> None:
    """Check who sends a request and count it; signatures of public requests are not looked at."""
    private = (incoming.method, incoming.path) not in exchange.public
    if private:
        verify(
            incoming.headers,
            incoming.method,
            incoming.raw_path,  # as it was signed: aiohttp's `path` has lost its percent-encoding
            body,
            credentials=exchange.credentials,
            clocks_ms=(wall_ms(), exchange.clock.now_ms()),
        )
    if incoming.method == "POST" and incoming.content_type != "application/json":
        raise WireError("50006", 'Invalid Content-Type. Please use "application/JSON".', http_status=400)
    if exchange.limiter is not None:
        caller = incoming.headers.get("OK-ACCESS-KEY", "") if private else (incoming.remote or "")
        exchange.limiter.check(incoming.method, incoming.path, caller, [Params(row) for row in rows])


def _refuse_route(exchange: Exchange, incoming: web.Request) -> WireError:
    if any(path == incoming.path for _, path in (*exchange.public, *exchange.private)):
        return WireError("50115", "Invalid request method.", http_status=405)
    return refuse_path(incoming.path)
