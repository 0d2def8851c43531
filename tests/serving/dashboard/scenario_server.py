"""A server with the page and made-up answers of the API, whose state a test sets: what the browser tests look at.

`python -m tests.serving.dashboard.scenario_server --scenario waiting` prints its address and stays.
`POST /test/scenario/NAME` changes the state, `POST /test/heartbeat/off` keeps the stream open and says nothing,
`POST /test/say/EVENT` pushes one, `POST /test/greeting/off` begins streams without a status,
`POST /test/fail/PATH` answers that path with 500, `GET /test/actions` returns what was asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from serving.dashboard.routes import make_page_router
from tests.serving.dashboard import scenario_data as data
from tests.serving.dashboard import scenario_history as history
from tests.serving.dashboard import scenario_standing as standing
from tests.serving.dashboard.scenario_chain import chain
from tests.serving.dashboard.scenarios import SCENARIOS, status_of

CONTROL_TOKEN = "a-control-token-of-the-tests"
UNDECIDED = {"starting", "undecided", "never_decided"}
WORDS = {"guard": "GUARD", "unguard": "UNGUARD", "halt": "HALT", "resume": "RESUME", "flatten": "FLATTEN"}


@dataclass
class Desk:
    """State of the server: the scenario, what fails on purpose, what was asked for, and the open streams."""

    scenario: str = "waiting"
    reading_token: str | None = None
    heartbeat: bool = True
    greeting: bool = True
    no_streams: bool = False
    failing: set[str] = field(default_factory=set)
    actions: list[dict] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    streams: set[asyncio.Queue] = field(default_factory=set)

    def say(self, name: str, body: object) -> None:
        for queue in self.streams:
            queue.put_nowait(f"event: {name}\ndata: {json.dumps(body)}\n\n")


def now() -> datetime:
    return datetime.now(UTC)


def make_scenario_app(desk: Desk) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Any:
        path = request.url.path
        desk.requests.append(path)
        if path.startswith("/api/"):
            if path.removeprefix("/api/v1/").split("/")[0] in desk.failing:
                return refuse(500, "the journal cannot be read", "look into the log")
            given = request.headers.get("authorization", "")
            known = [f"Bearer {token}" for token in (desk.reading_token, CONTROL_TOKEN) if token]
            if request.method == "GET" and desk.reading_token and given not in known:
                return refuse(401, "the token is missing or wrong", "send Authorization: Bearer TOKEN")
        answer = await call_next(request)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    app.include_router(make_page_router())
    app.include_router(_standing_router(desk), prefix="/api/v1")
    app.include_router(_history_router(desk), prefix="/api/v1")
    app.include_router(_acting_router(desk), prefix="/api/v1")
    app.include_router(_test_router(desk), prefix="/test")
    return app


def refuse(status: int, what: str, remedy: str) -> JSONResponse:
    return JSONResponse({"error": {"what": what, "remedy": remedy}}, status_code=status)


def page_of(rows: list[dict], limit: int = 100, before: str | None = None) -> dict:
    start = int(before) if before else 0
    end = start + limit
    return {"items": rows[start:end], "next": str(end) if end < len(rows) else None}


def _standing_router(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/status")
    def status() -> Any:
        return status_of(SCENARIOS[desk.scenario], now())

    @router.get("/positions")
    def positions() -> Any:
        return page_of(SCENARIOS[desk.scenario].positions(now()))

    @router.get("/risk")
    def risk() -> Any:
        return standing.risk(now())

    @router.get("/model")
    def model() -> Any:
        found = standing.model()
        if not SCENARIOS[desk.scenario].traded:
            found["live"] = {"trades": 0, "result_usdt": 0.0, "expected": None, "verdict": "too few"}
        return found

    @router.get("/trust")
    def trust() -> Any:
        return standing.trust(now())

    @router.get("/events")
    def events(limit: int = 100, before: str | None = None, severity: str = "", kind: str = "") -> Any:
        rows = [row for row in history.events(now()) if severity in ("", row["severity"]) and kind in ("", row["kind"])]
        for row in rows:
            if row["event_id"] in desk.acknowledged:
                row.update(acknowledged_at=data.iso(now()), acknowledged_by="control token")
        return page_of(rows, limit, before)

    @router.get("/stream")
    async def stream() -> Any:
        if desk.no_streams:
            return refuse(429, "64 streams are open", "close one, or read the paths now and then")
        return StreamingResponse(_events(desk), media_type="text/event-stream")

    return router


async def _events(desk: Desk) -> AsyncIterator[str]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    desk.streams.add(queue)
    try:
        if desk.greeting:
            yield f"event: status\ndata: {json.dumps(status_of(SCENARIOS[desk.scenario], now()))}\n\n"
        while True:
            try:
                yield await asyncio.wait_for(queue.get(), timeout=2.0)
            except TimeoutError:
                if desk.heartbeat:
                    yield f"event: heartbeat\ndata: {json.dumps({'now': data.iso(now())})}\n\n"
    finally:
        desk.streams.discard(queue)


def _history_router(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/decisions")
    def decisions(limit: int = 100, before: str | None = None) -> Any:
        rows = data.decisions(now()) if desk.scenario not in UNDECIDED else []
        return page_of(rows, limit, before)

    @router.get("/decisions/{decision_id}")
    def decision(decision_id: str) -> Any:
        row = next((row for row in data.decisions(now()) if row["decision_id"] == decision_id), None)
        if row is None:
            return refuse(404, f"there is no decision {decision_id}", "take one from /api/v1/decisions")
        lineage = data.features(now(), "XRP__AVAX")["lineage"] | {"order_ids": []}
        return {**row, "exits": [], "scores": data.scores(sum(decision_id.encode())), "lineage": lineage}

    @router.get("/decisions/{decision_id}/pairs/{pair}")
    def pair_of(decision_id: str, pair: str) -> Any:
        return data.features(now(), pair)

    @router.get("/why/{order}")
    def why(order: str) -> Any:
        found = chain(now(), order)
        if found is None:
            return refuse(404, "the journal has no order of this id", "take one from /api/v1/orders")
        return found

    @router.get("/orders")
    def orders(limit: int = 100, before: str | None = None, state: str = "") -> Any:
        scenario = SCENARIOS[desk.scenario]
        rows = [history.order(now(), number) for number in range(34)] if scenario.traded else []
        if scenario.unknown_order:
            rows = [history.order(now(), history.UNKNOWN), *rows]
        rows = [row for row in rows if state in ("", row["state"])]
        return page_of(rows, limit, before)

    @router.get("/trades")
    def trades(limit: int = 100, before: str | None = None, pair: str = "", reason: str = "", result: str = "") -> Any:
        rows = history.trades(now()) if SCENARIOS[desk.scenario].traded else []
        rows = [row for row in rows if pair in ("", row["pair"]) and reason in ("", row["exit_reason"])]
        if result:
            rows = [row for row in rows if (float(row["result_usdt"]) > 0) == (result == "won")]
        return page_of(rows, limit, before)

    @router.get("/trades.csv")
    def trades_csv() -> Any:
        lines = [f"{row['position_id']},{row['pair']},{row['result_usdt']}" for row in history.trades(now())]
        return PlainTextResponse("\n".join(["position_id,pair,result_usdt", *lines]), media_type="text/csv")

    @router.get("/trades/calendar")
    def calendar(by: str = "day") -> Any:
        return {"items": history.calendar(history.trades(now()) if SCENARIOS[desk.scenario].traded else [], by)}

    @router.get("/equity")
    def equity(range: str = "7d") -> Any:
        return history.equity(now(), range, SCENARIOS[desk.scenario].traded)

    @router.get("/pairs/{pair}/series")
    def series(pair: str, hours: int = 168) -> Any:
        return history.pair_series(now(), hours, pair == "XRP__AVAX")

    @router.get("/assets/{asset}/candles")
    def candles(asset: str, hours: int = 168) -> Any:
        return history.candles(now(), asset, hours)

    @router.get("/heatmap")
    def heatmap() -> Any:
        if desk.scenario in UNDECIDED:
            return {"decision_id": None, "event_timestamp": None, "assets": [], "cells": []}
        rows = data.scores(3)
        rows[20].update(rejected=None, outcome="opened")
        return {
            "decision_id": data.decisions(now())[0]["decision_id"],
            "event_timestamp": data.decisions(now())[0]["event_timestamp"],
            "assets": list(data.ASSETS),
            "cells": [
                {"a": row["asset_a"], "b": row["asset_b"]}
                | {name: row[name] for name in ("score", "z", "probability", "rejected", "outcome")}
                for row in rows
            ],
        }  # fmt: skip

    return router


def _acting_router(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.post("/actions/{action}")
    async def act(action: str, request: Request) -> Any:
        if desk.scenario == "read_only":
            return refuse(403, "no control token is configured", "set PAIRITY_SERVE__CONTROL_TOKEN")
        if not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {CONTROL_TOKEN}"):
            return refuse(401, "the control token is wrong", "enter the one that the process was started with")
        if desk.scenario == "stopped":
            return refuse(409, "the process has stopped: nobody would carry this out", "start it again first")
        body = await request.json()
        word = f"CLOSE {body.get('position_id')}" if action == "close" else WORDS.get(action)
        if word is not None and body.get("confirmation") != word:
            return refuse(422, f"the confirmation is not {word}", f"type {word}")
        desk.actions.append({"action": action, **body})
        if action == "acknowledge":
            desk.acknowledged.add(body["event_id"])
        elif action == "acknowledge-all":
            desk.acknowledged.update(row["event_id"] for row in history.events(now()))
        elif action in ("guard", "halt", "resume", "unguard"):
            desk.scenario = {"guard": "guarded", "halt": "halted"}.get(action, "waiting")
            desk.say("status", status_of(SCENARIOS[desk.scenario], now()))
        desk.say("event", {"changed": "events"})
        return JSONResponse({"request_id": f"r{len(desk.actions):04d}", "at": data.iso(now())}, status_code=202)

    return router


def _test_router(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.post("/scenario/{name}")
    async def set_scenario(name: str) -> Any:
        desk.scenario, desk.failing, desk.heartbeat, desk.reading_token = name, set(), True, None
        desk.no_streams, desk.greeting = False, True
        desk.actions.clear()
        desk.acknowledged.clear()
        desk.say("status", status_of(SCENARIOS[name], now()))
        for changed in ("positions", "order", "trade"):
            desk.say(changed, {"changed": changed})
        return {"scenario": name}

    @router.post("/heartbeat/{switch}")
    async def set_heartbeat(switch: str) -> Any:
        desk.heartbeat = switch == "on"
        return {"heartbeat": desk.heartbeat}

    @router.post("/greeting/{switch}")
    async def set_greeting(switch: str) -> Any:
        desk.greeting = switch == "on"
        return {"greeting": desk.greeting}

    @router.post("/say/{name}")
    async def say(name: str) -> Any:
        desk.say(name, {"changed": "one"})
        return {}

    @router.post("/streams/none")
    async def refuse_streams() -> Any:
        desk.no_streams = True
        return {}

    @router.post("/fail/{path}")
    async def fail(path: str) -> Any:
        desk.failing.add(path)
        return {"failing": sorted(desk.failing)}

    @router.post("/reading-token/{token}")
    async def set_token(token: str) -> Any:
        desk.reading_token = token
        return {}

    @router.get("/actions")
    async def actions() -> Any:
        return desk.actions

    return router


def main() -> None:
    import uvicorn

    from serving.web.local_only import LocalOnly

    parser = argparse.ArgumentParser()
    parser.add_argument("--scenario", default="waiting", choices=sorted(SCENARIOS))
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    app = LocalOnly(make_scenario_app(Desk(scenario=given.scenario)))
    server = uvicorn.Server(uvicorn.Config(app, port=given.port, log_level="error", lifespan="off"))

    async def run() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started and not task.done():
            await asyncio.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        print(f"http://{host}:{port}", flush=True)
        await task

    asyncio.run(run())


if __name__ == "__main__":
    main()
