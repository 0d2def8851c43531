"""Requests wait as files: what stands there is checked, bounded, and taken up in order."""

from __future__ import annotations

import json
import threading

import pytest

from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.redaction import learn_secrets
from serving.control import queue as queue_module
from serving.control.queue import Request, RequestQueue, read_request
from serving.journal import TradingState
from serving.journal.event_records import Wish
from tests.serving.guarding import Guard, ask, look
from tests.serving.trading import T0

HALTED = TradingState.HALTED


def test_what_nobody_can_read_guards_and_lets_those_behind_it_through(guard: Guard) -> None:
    name = ask(guard, Wish.GUARD)
    (path,) = guard.watch._requests.queue.list_waiting()
    path.write_text('{"wish": "halt"')
    ask(guard, Wish.HALT)
    look(guard)
    assert guard.supervisor.state is HALTED
    assert "request" in guard.status.causes
    assert [waiting.stem for waiting in guard.watch._requests.queue.list_waiting()] == [name]
    path.unlink()
    look(guard)
    assert "request" not in guard.status.causes


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "null",
        '{"wish": "buy", "at": "2025-01-01T00:00:00+00:00", "reason": ""}',
        '{"wish": "halt", "at": "yesterday", "reason": ""}',
        '{"wish": "halt", "at": "2025-01-01T00:00:00+00:00", "reason": "", "by": "stranger"}',
        '{"wish": "close", "at": "2025-01-01T00:00:00+00:00", "reason": "", "position_id": 3}',
        '{"wish": "acknowledge", "at": "2025-01-01T00:00:00+00:00", "reason": "", "event_id": true}',
        '{"wish": "acknowledge", "at": "2025-01-01T00:00:00+00:00", "reason": "", "event_id": 1e300}',
        '{"wish": "halt", "at": "2025-01-01T00:00:00", "reason": ""}',
        "[" * 5000,
    ],
)
def test_files_that_are_no_requests_are_named(content: str, guard: Guard) -> None:
    ask(guard, Wish.HALT)
    (path,) = guard.watch._requests.queue.list_waiting()
    path.write_text(content)
    with pytest.raises(ConfigError, match="is not a request"):
        read_request(path)
    look(guard)
    assert list(guard.status.causes) == ["request"]


def test_a_request_of_a_version_without_a_queue_is_taken_up_first(guard: Guard) -> None:
    path = Layout(guard.home).request
    path.write_text(json.dumps({"wish": "halt", "at": T0.isoformat(), "reason": "before the update"}))
    path.chmod(0o600)
    ask(guard, Wish.RESUME)
    look(guard)
    assert [request.wish for request in guard.desk.journal.requests.all()] == [Wish.HALT, Wish.RESUME]
    assert not path.exists()


def test_a_number_that_is_too_long_loses_no_request(guard: Guard) -> None:
    """A file of any number may stand there, and a request that was taken must not be passed over behind it."""
    ask(guard, Wish.GUARD)
    (first,) = RequestQueue(Layout(guard.home)).list_waiting()
    first.rename(first.with_name(f"99999999-{'0' * 16}.json"))
    names = [ask(guard, wish) for wish in (Wish.RESUME, Wish.HALT)]
    look(guard)
    assert [request.request_id for request in guard.desk.journal.requests.all()][1:] == names
    assert guard.supervisor.state is HALTED


def test_a_key_in_a_reason_is_nowhere_in_the_data_directory(guard: Guard) -> None:
    """Whoever pastes the token into the wrong field must not find it in every backup."""
    secret = "a-token-pasted-into-the-reason"
    learn_secrets([secret])
    for wish in (Wish.GUARD, Wish.HALT, Wish.FLATTEN):
        RequestQueue(Layout(guard.home)).put(Request(wish=wish, at=T0, reason=f"it is {secret}!"))
    files = [path for path in guard.home.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    waiting = RequestQueue(Layout(guard.home)).list_waiting()[0]
    waiting.write_bytes(waiting.read_bytes().replace(b"***", secret.encode()))  # as an older version left it
    look(guard)
    files = [path for path in guard.home.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert {request.reason for request in guard.desk.journal.requests.all()} == {"it is ***!"}


def test_too_many_requests_are_refused_and_those_that_wait_stay(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MOST_WAITING", 3)
    for _ in range(3):
        ask(guard, Wish.ACKNOWLEDGE_ALL)
    with pytest.raises(ConfigError, match="3 requests wait"):
        ask(guard, Wish.RESUME)
    for _ in range(3):
        ask(guard, Wish.HALT)
    with pytest.raises(ConfigError, match="6 requests wait"):
        ask(guard, Wish.HALT)
    look(guard)
    assert len(guard.desk.journal.requests.all()) == 6
    assert guard.supervisor.state is HALTED


def test_requests_of_many_programs_at_once_are_all_carried_out_in_their_order(guard: Guard) -> None:
    names: list[list[str]] = [[] for _ in range(4)]

    def work(place: int) -> None:
        for _ in range(10):
            names[place].append(ask(guard, Wish.GUARD))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        guard.watch._requests.carry_out()
    guard.watch._requests.carry_out()
    done = [request.request_id for request in guard.desk.journal.requests.all()]
    assert sorted(done) == sorted(name for mine in names for name in mine)
    for mine in names:
        assert [name for name in done if name in mine] == mine


def test_a_folder_that_cannot_be_read_wakes_nobody_and_guards(guard: Guard) -> None:
    Layout(guard.home).requests.write_text("no folder")
    assert not guard.watch._requests.queue.has_new()
    look(guard)
    assert list(guard.status.causes) == ["request"]
