"""Actions over HTTP: who may act, what is refused and why, and that every use is journalled."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from pairity.layout import Layout
from pairity.trading_settings import ServeSettings
from serving.control.actions import Action, required_word
from serving.control.door import Door
from serving.control.queue import RequestQueue, read_request
from serving.control.routes import make_action_router
from serving.control.uses import MOST_REFUSED, MOST_TAKEN
from serving.journal import TradingState
from serving.journal.event_records import Severity
from tests.serving.asgi_client import AsgiClient
from tests.serving.guarding import Guard

TOKEN = "c0ntrol-token-of-this-test"
POSITION = "BTC__ETH@20250318T1700Z"
TARGETS: dict[Action, dict[str, Any]] = {
    Action.CLOSE: {"position_id": POSITION},
    Action.ACKNOWLEDGE: {"event_id": 3},
}


def client_of(guard: Guard, token: str | None = TOKEN) -> AsgiClient:
    app = FastAPI()
    secret = None if token is None else SecretStr(token)
    app.include_router(make_action_router(RequestQueue(Layout(guard.home)), guard.events, secret))
    return AsgiClient(app)


def send(client: AsgiClient, action: str = "halt", *, token: str | None = TOKEN, **changes: Any) -> Any:
    body = {"reason": "a test", "confirmation": action.upper()} | changes.pop("body", {})
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    headers |= {"Content-Type": "application/json"} | changes.pop("headers", {})
    query = changes.pop("query", "")
    return client.post(f"/api/v1/actions/{action}{query}", json.dumps(body).encode(), headers)


def refusals(guard: Guard) -> list[str]:
    return [event.text for event in reversed(guard.desk.journal.event_log.page(kind="request.refused", limit=500))]


@pytest.mark.parametrize("action", list(Action), ids=str)
def test_every_action_waits_in_the_queue_and_says_its_id(action: Action, guard: Guard) -> None:
    target = TARGETS.get(action, {})
    word = required_word(action, target.get("position_id"))
    answer = send(client_of(guard), action, body={"confirmation": word, **target})
    assert answer.status_code == 202, answer.text
    (path,) = RequestQueue(Layout(guard.home)).list_waiting()
    request = read_request(path)
    assert answer.json()["request_id"] == request.request_id
    assert (request.wish.value, request.reason, request.by) == (action.value, "a test", "page")
    assert (request.position_id, request.event_id) == (target.get("position_id"), target.get("event_id"))


def test_a_halt_over_http_halts_and_its_use_is_journalled(guard: Guard) -> None:
    name = send(client_of(guard)).json()["request_id"]
    asyncio.run(guard.watch.look())
    assert guard.supervisor.state is TradingState.HALTED
    (event,) = guard.desk.journal.event_log.page(kind="request")
    assert event.ref == name
    assert "(page)" in event.text


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (401, {"token": None}),
        (401, {"token": TOKEN[:-1]}),
        (401, {"token": TOKEN + "x"}),
        (401, {"token": TOKEN.upper()}),
        (401, {"token": None, "headers": {"Authorization": TOKEN}}),
        (401, {"token": None, "headers": {"Authorization": f"Basic {TOKEN}"}}),
        (401, {"token": None, "headers": {"Cookie": f"token={TOKEN}"}}),
        (401, {"token": None, "query": f"?token={TOKEN}"}),
        (403, {"headers": {"Host": "evil.example"}}),
        (403, {"headers": {"Origin": "http://evil.example"}}),
        (403, {"headers": {"Origin": "null"}}),
        (403, {"headers": {"Origin": "http://127.0.0.1:8701"}}),
        (403, {"headers": {"Sec-Fetch-Site": "cross-site"}}),
        (403, {"headers": {"Sec-Fetch-Site": "same-site"}}),
        (415, {"headers": {"Content-Type": "text/plain"}}),
        (415, {"headers": {"Content-Type": "application/x-www-form-urlencoded"}}),
        (422, {"body": {"confirmation": "halt"}}),
        (422, {"body": {"confirmation": ""}}),
        (422, {"body": {"confirmation": "FLATTEN"}}),
        (422, {"body": {"reason": ""}}),
        (422, {"body": {"reason": "two\nlines"}}),
        (422, {"body": {"reason": "x" * 501}}),
        (422, {"body": {"reason": 3}}),
        (422, {"body": {"position_id": POSITION}}),
        (422, {"body": {"event_id": 3}}),
        (422, {"body": {"flatten": True}}),
        (413, {"body": {"reason": "x" * 9000}}),
    ],
)
def test_what_is_refused_leaves_no_request_and_is_journalled_without_the_token(
    status: int, changes: dict[str, Any], guard: Guard
) -> None:
    answer = send(client_of(guard), **changes)
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) == {"what", "remedy"}
    assert RequestQueue(Layout(guard.home)).list_waiting() == []
    (said,) = refusals(guard)
    assert f"({status}): halt" in said
    assert TOKEN[:-1] not in said + answer.text


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff", b'{"reason": NaN}', b"[" * 4000, b"1" * 5000])
def test_whatever_the_body_is_it_is_answered(content: bytes, guard: Guard) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    answer = client_of(guard).post("/api/v1/actions/halt", content, headers)
    assert answer.status_code in (400, 422)
    assert RequestQueue(Layout(guard.home)).list_waiting() == []


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("close", {"confirmation": "CLOSE", "position_id": POSITION}),
        ("close", {"confirmation": "CLOSE BTC__SOL@20250318T1700Z", "position_id": POSITION}),
        ("close", {"confirmation": "CLOSE ../x", "position_id": "../x"}),
        ("close", {"confirmation": "CLOSE None"}),
        ("acknowledge", {}),
        ("acknowledge", {"event_id": 0}),
        ("acknowledge", {"event_id": True}),
        ("acknowledge", {"event_id": 10**30}),
    ],
)
def test_what_an_action_is_about_is_checked(action: str, body: dict[str, Any], guard: Guard) -> None:
    assert send(client_of(guard), action, body=body).status_code == 422


@pytest.mark.parametrize("action", list(Action), ids=str)
def test_nothing_is_taken_once_the_process_has_stopped_and_the_answer_says_so(action: Action, guard: Guard) -> None:
    door = Door()
    router = make_action_router(RequestQueue(Layout(guard.home)), guard.events, SecretStr(TOKEN), door=door)
    app = FastAPI()
    app.include_router(router)
    client, target = AsgiClient(app), TARGETS.get(action, {})
    body = {"confirmation": required_word(action, target.get("position_id")), **target}
    assert send(client, action, body=body).status_code == 202
    door.close("the process has stopped")
    answer = send(client, action, body=body)
    assert answer.status_code == 409
    assert "has stopped" in answer.json()["error"]["what"]
    assert "next start" in answer.json()["error"]["remedy"]
    assert len(RequestQueue(Layout(guard.home)).list_waiting()) == 1
    # Who must not act learns nothing of it.
    assert send(client, action, token="guessed", body=body).status_code == 401


def test_an_action_that_there_is_not_is_refused(guard: Guard) -> None:
    answer = send(client_of(guard), "buy")
    assert (answer.status_code, set(answer.json()["error"])) == (404, {"what", "remedy"})
    assert client_of(guard).get("/api/v1/actions/halt").status_code == 405


def test_without_a_control_token_nobody_acts(guard: Guard) -> None:
    for token in (None, "", "None", "null"):
        assert send(client_of(guard, None), token=token).status_code == 403
    assert "PAIRITY_SERVE__CONTROL_TOKEN" in send(client_of(guard, None)).json()["error"]["remedy"]


def test_refused_uses_are_counted_and_cannot_fill_the_journal(guard: Guard) -> None:
    client = client_of(guard)
    for _ in range(MOST_REFUSED + 30):
        assert send(client, token="wrong").status_code == 401
    assert len(refusals(guard)) == MOST_REFUSED
    assert guard.desk.journal.event_log.page(kind="request.refused")[0].severity is Severity.WARNING


def test_taken_actions_are_limited_too(guard: Guard) -> None:
    client = client_of(guard)
    answers = [send(client, "guard").status_code for _ in range(MOST_TAKEN + 3)]
    assert answers == [202] * MOST_TAKEN + [429] * 3
    assert send(client, "halt").status_code == 202, "what was asked before is no reason to refuse a halt"


@pytest.mark.parametrize("token", ["short", "with a blank in it", "ümlaut-ümlaut-ümlaut", "x" * 15])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_no_setting(token: str) -> None:
    with pytest.raises(ValueError, match="at least 16") as refused:
        ServeSettings(control_token=SecretStr(token))
    assert token not in str(refused.value)


def test_the_tokens_for_reading_and_acting_are_two() -> None:
    with pytest.raises(ValueError, match="could act"):
        ServeSettings(control_token=SecretStr(TOKEN), status_token=SecretStr(TOKEN))


def test_the_schema_names_what_is_answered(guard: Guard) -> None:
    whole = client_of(guard).get("/openapi.json").json()
    schema = whole["paths"]["/api/v1/actions/{action}"]["post"]
    assert schema["parameters"][0]["schema"]["enum"] == [str(action) for action in Action]
    assert schema["security"] == [{"control": []}]
    assert whole["components"]["securitySchemes"]["control"]["scheme"] == "bearer"
    assert {"202", "401", "403", "415", "422", "429"} <= set(schema["responses"])
    fields = schema["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert set(fields) == {"reason", "confirmation", "position_id", "event_id"}
