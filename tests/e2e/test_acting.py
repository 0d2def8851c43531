"""Actions over HTTP on a real trading process with open positions: answered at once, done, and kept over a kill."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.running import paper_exchange
from tests.e2e.test_two_homes import Home, positions, until
from tests.serving.alerts.webhook import webhook
from tests.serving.trading import BTC

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(280)]
CONTROL, READING = "a-token-that-controls-it", "a-token-that-reads-only"
SECRET = "a-path-that-is-secret-0123456789"


@pytest.fixture
def home(tmp_path):
    with paper_exchange("--clock", "real") as exchange, webhook() as hook:
        made = Home(tmp_path, exchange.url, "one", "BTC", "0.5")
        made.hook, made.exchange = hook, exchange
        made.place.extra |= {
            "PAIRITY_SERVE__WATCH_S": "2",
            "PAIRITY_SERVE__CONTROL_TOKEN": CONTROL,
            "PAIRITY_SERVE__STATUS_TOKEN": READING,
            "PAIRITY_ALERTS__DESTINATIONS": json.dumps([{"name": "hook", "severity": "info"}]),
            "PAIRITY_ALERTS__URLS": json.dumps({"hook": f"{hook.url}/{SECRET}"}),
        }
        yield made
        made.end()


def ask(home, path, body=None, token=CONTROL):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{home.port}/api/v1/{path}", content, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def act(home, action, word=None, **more):
    return ask(home, f"actions/{action}", {"reason": "a drill", "confirmation": word or action.upper(), **more})[0]


def state(home):
    return ask(home, "status")[1]["trading"]


def test_what_was_answered_is_done_whatever_happens_next(home):
    home.serve()
    until(lambda: ask(home, "positions")[1]["items"])
    (held,) = ask(home, "positions")[1]["items"]
    assert ask(home, "actions/halt", {}, token=READING)[0] == 401
    assert act(home, "guard", reason=f"the token is {CONTROL}") == 202
    assert act(home, "halt") == 202
    assert until(lambda: state(home) == "halted") < 5

    name = held["position_id"]
    # Nothing can be closed before the kill.
    fault = {"kind": "system_50026", "path": "trade/order", "count": None, "params": {}}
    home.exchange.post("faults", fault)
    with ThreadPoolExecutor(4) as people:
        answers = list(people.map(lambda _: act(home, "close", f"CLOSE {name}", position_id=name), range(4)))
    home.process.send_signal(signal.SIGKILL)
    home.process.communicate(timeout=20)
    assert answers == [202] * 4
    assert BTC in positions(home.url)
    clear = urllib.request.Request(f"{home.exchange.control}/faults", method="DELETE")
    urllib.request.urlopen(clear, timeout=20).close()
    home.serve()
    until(lambda: BTC not in positions(home.url))
    until(lambda: ask(home, "trades")[1]["items"])
    (trade,) = ask(home, "trades")[1]["items"]
    assert (trade["position_id"], trade["exit_reason"]) == (name, "person")
    assert state(home) == "halted"
    assert act(home, "resume") == 202
    until(lambda: state(home) == "guarding")
    assert "person" in ask(home, "status")[1]["causes"], "a resume lifts no guard of a person"

    events = ask(home, "events?limit=500")[1]["items"]
    assert sum(event["kind"] == "request" and "to close" in event["text"] for event in events) == 4
    assert sum(event["kind"] == "request.refused" for event in events) == 1
    until(lambda: any("closed BTC" in text for text in home.hook.taken))
    said = home.end()
    assert "Traceback" not in said
    for path in home.place.home.parent.rglob("*"):
        if path.is_file():
            found = [secret for secret in (CONTROL, READING, SECRET) if secret.encode() in path.read_bytes()]
            assert not found, path
