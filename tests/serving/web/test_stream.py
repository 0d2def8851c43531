"""The stream of changes: what is pushed, what a listener that comes back gets, how many there may be."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from tests.serving.api_scene import ApiScene, serving
from tests.serving.trading import T0


class Listener:
    """A client that reads the stream line by line."""

    def __init__(self, client, **headers):
        where = urlsplit(client.url)
        self.socket = socket.create_connection((where.hostname, where.port), timeout=10)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(f"GET /api/v1/stream HTTP/1.1\r\nHost: {where.netloc}\r\n{lines}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline().strip():
            pass

    def events(self):
        """Events as (id, kind, data), as they come."""
        fields = {}
        for line in self.file:
            text = line.decode().rstrip("\r\n")
            name, _, value = text.partition(": ")
            if name in ("id", "event", "data"):
                fields[name] = value
            elif not text and "event" in fields:
                yield fields.get("id"), fields["event"], json.loads(fields["data"])
                fields = {}

    def wait_for(self, kind):
        return next(found for found in self.events() if found[1] == kind)

    def close(self):
        self.file.close()
        self.socket.close()


@contextmanager
def listening(client, **headers):
    listener = Listener(client, **headers)
    try:
        yield listener
    finally:
        listener.close()


@pytest.fixture
def scene(tmp_path):
    made = ApiScene(tmp_path)
    made.trade()
    yield made
    made.close()


@pytest.fixture
def client(scene):
    with serving(scene) as asked:
        yield asked


def test_it_begins_with_the_present_state_and_beats(client):
    with listening(client) as listener:
        events = listener.events()
        (_, first, status), (_, second, positions) = next(events), next(events)
        assert (first, second) == ("status", "positions")
        assert status.keys() == client.get("status").keys()
        assert len(positions["items"]) == 1
        begun = time.monotonic()
        beats = [found for found in (next(events) for _ in range(2)) if found[1] == "heartbeat"]
        assert len(beats) == 2
        assert time.monotonic() - begun < 6
        assert {"now", "state", "trading", "fresh", "data_age_s", "watched_age_s"} <= beats[-1][2].keys()


def test_what_changes_is_pushed(scene, client):
    with listening(client) as listener:
        listener.wait_for("heartbeat")
        record = scene.decide(T0 + timedelta(hours=5))
        scene.status.trading = "guarding"
        found = {}
        for _, kind, data in listener.events():
            found[kind] = data
            if {"decision", "status"} <= found.keys() and found["status"]["trading"] == "guarding":
                break
        assert found["decision"] == {"changed": record.decision_id}


def test_who_comes_back_gets_what_he_missed(scene, client):
    with listening(client) as stays:
        stays.wait_for("heartbeat")
        with listening(client) as listener:
            last, _, _ = listener.wait_for("status")
        records = [scene.decide(T0 + timedelta(hours=6))]
        stays.wait_for("decision")
        records.append(scene.decide(T0 + timedelta(hours=7)))
        stays.wait_for("decision")
        with listening(client, **{"Last-Event-ID": last}) as back:
            events = back.events()
            missed = []
            while len(missed) < 2:
                _, kind, data = next(events)
                missed += [data["changed"]] if kind == "decision" else []
    assert missed == [record.decision_id for record in records]


@pytest.mark.parametrize("last", ["x", "0-0", "0123abcd-99999", "-", "é", "1" * 90])
def test_who_comes_back_with_an_id_of_another_process_reads_everything_again(client, last):
    with listening(client, **{"Last-Event-ID": last.encode().decode("latin-1")}) as listener:
        events = listener.events()
        found = [next(events)[1:] for _ in range(6)]
    assert [kind for kind, _ in found] == ["status", "positions", "decision", "order", "trade", "event"]
    assert found[-1][1] == {"changed": "all"}


def test_there_are_so_many_and_no_more_and_a_place_is_free_again(client, monkeypatch):
    """Six of them here: sixty-four take seconds to open."""
    monkeypatch.setattr("serving.web.stream.MOST_STREAMS", 6)
    listeners = [Listener(client) for _ in range(6)]
    try:
        assert {listener.status for listener in listeners} == {200}
        refused = Listener(client)
        assert refused.status == 429
        refused.close()
        assert client.ask("/health")[0] == 200
    finally:
        for listener in listeners:
            listener.close()
    deadline = time.monotonic() + 10
    while True:
        again = Listener(client)
        again.close()
        if again.status == 200:
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_streams_end_with_the_server(scene):
    with serving(scene) as asked:
        listener = Listener(asked)
        listener.wait_for("status")
        begun = time.monotonic()
    assert time.monotonic() - begun < 4
    assert not [line for line in listener.file if line.startswith(b"event: decision")]
    listener.close()


def test_a_heartbeat_says_nothing_of_a_look_that_failed(scene, client):
    seen = scene.sightings
    with listening(client) as listener:
        assert listener.wait_for("heartbeat")[2]["now"] == scene.now.isoformat()
        scene.sightings = None  # every look fails from here on
        # The last figures once more would set the clock of every reader back, and keep old data young.
        assert any(listener.wait_for("heartbeat")[2] == {} for _ in range(2))
        scene.sightings = seen
        assert any(listener.wait_for("heartbeat")[2] != {} for _ in range(2))


def test_who_hears_of_a_change_and_asks_gets_what_it_is_about(scene, client):
    with listening(client) as listener:
        listener.wait_for("heartbeat")
        assert client.get("risk")["exposure"]["gross_usdt"] > 0
        scene.sightings.positions = {}
        listener.wait_for("positions")
        # Answers are kept for seconds: one of before the change would stay on a page that asks when it hears of one.
        assert client.get("risk")["exposure"]["gross_usdt"] is None
