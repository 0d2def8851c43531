"""Delivery against a webhook that misbehaves: each message once, in order, and trading is never touched."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pairity.alert_settings import AlertSettings, DestinationSettings
from pairity.backoff import Backoff
from pairity.errors import JournalWriteError
from pairity.settings import Settings
from pairity.timeline import from_ms
from serving.alerts import emergency
from serving.alerts import outbox as outbox_module
from serving.alerts.events import Events
from serving.alerts.service import AlertService
from serving.journal import Journal, TradingState
from serving.journal.delivery_pages import GIVEN_UP, SENT
from serving.journal.event_records import NewDelivery, Severity
from serving.status import Status
from tests.serving.alerts.webhook import Webhook, webhook
from tests.serving.full_disk import fill_up, make_room
from tests.serving.guarding import Guard
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, T0, opened

QUICK = Backoff(first_s=0.02, cap_s=0.1)
SECRET = "Xoxb-Secret-Path-0123456789"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module.Outbox.__init__, "__kwdefaults__", {"retries": QUICK})
    monkeypatch.setattr("serving.alerts.service._LOOK_S", 0.01)
    monkeypatch.setattr("serving.alerts.service._ENDING_S", 0.01)
    monkeypatch.setattr("serving.alerts.service._LAST_WORDS_S", 0.5)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as served:
        yield served


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    tmp_path.chmod(0o700)
    opened_journal = Journal.open(tmp_path / "journal.db", scope="test")
    yield opened_journal
    opened_journal.close()


def alerts_to(url: str, **changes: Any) -> AlertSettings:
    hooked = DestinationSettings(name="hook", severity="info")
    given = {
        "destinations": (hooked,),
        "urls": {"hook": SecretStr(f"{url}/{SECRET}")},
        "repeat_minutes": 0,
        "messages_per_hour": 1000,
        "daily_at": None,
        "timeout_s": 2.0,
    }
    return AlertSettings(**given | changes)


@contextmanager
def serving_alerts(
    journal: Journal, alerts: AlertSettings, events: Events | None = None
) -> Iterator[tuple[Events, AlertService]]:
    events = events or Events(journal, lambda: T0)
    settings = Settings(alerts=alerts)
    service = AlertService(settings, journal, events, lambda: Status("paper", "tiny", {}), lambda: T0)
    with service:
        until = time.monotonic() + 5
        while any(journal.deliveries.state(f"destination:{d.name}") is None for d in alerts.destinations):
            assert time.monotonic() < until, service.failures
            time.sleep(0.01)
        yield events, service


def tell(events: Events, *texts: str, severity: Severity = Severity.WARNING) -> None:
    for text in texts:
        events.record("test", severity, text)
    events.flush()


FAULTS: list[list[int | str]] = [
    [],
    [500, 503, 500],
    [429, 429],
    [408, 404, 403],
    [301, 302, 307],
    ["cut", "garbage", "cut"],
    ["headers"],
    ["flood", "flood"],
    ["late", 500, "late"],
]


@pytest.mark.parametrize("faults", FAULTS, ids=str)
def test_every_message_arrives_once_and_in_order(faults: list[int | str], hook: Webhook, journal: Journal) -> None:
    hook.script = list(faults)
    with serving_alerts(journal, alerts_to(hook.url)) as (events, _):
        tell(events, "one", "two")
        tell(events, "three")
        hook.wait_for(3)
        assert hook.taken[:3] == ["one", "two", "three"]
        taken = [item["key"] for item in hook.came if item["took"]]
        assert len(taken) == len(set(taken)), "nothing that was taken is sent again"
    assert {item["path"] for item in hook.came} == {f"/{SECRET}"}, "no redirect is followed"


@pytest.mark.parametrize("faults", [[500, "cut", 404, 301], ["garbage"], ["headers"]], ids=str)
def test_a_secret_in_the_query_of_an_address_is_sent_and_written_nowhere(
    faults: list[int | str], hook: Webhook, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    query = f"wait=true&token={SECRET}%2F%2B"
    hook.script = list(faults)
    hooked = {"urls": {"hook": SecretStr(f"{hook.url}/hook/?{query}")}}
    watched = {"dead_man_url": SecretStr(f"{hook.url}/ping?key={SECRET}"), "dead_man_minutes": 0.001}
    with serving_alerts(journal, alerts_to(hook.url, **hooked, **watched)) as (events, service):
        events.heart.beat()
        tell(events, "one", "two")
        hook.wait_for(2)
        assert SECRET not in str(service.failures)
    assert {item["path"] for item in hook.came} <= {f"/hook/?{query}", f"/ping?key={SECRET}"}
    assert SECRET not in caplog.text
    for file in journal.path.parent.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file.name


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_webhook_that_hangs_is_left_after_the_timeout(fault: str, hook: Webhook, journal: Journal) -> None:
    hook.script = [fault]
    with serving_alerts(journal, alerts_to(hook.url, timeout_s=1.0)) as (events, _):
        begun = time.monotonic()
        tell(events, "one", "two")
        hook.wait_for(2)
        assert hook.taken == ["one", "two"]
        assert time.monotonic() - begun < 4
    assert len(set(hook.keys[:2])) == 1, "the same message has the same key"


def test_a_webhook_that_is_gone_gets_everything_when_it_is_back(journal: Journal) -> None:
    with webhook() as gone:
        port = int(gone.url.rpartition(":")[2])
    with serving_alerts(journal, alerts_to(f"http://127.0.0.1:{port}")) as (events, service):
        tell(events, "one", "two")
        time.sleep(0.2)
        assert service.failures == {}
        with webhook(port) as back:
            back.wait_for(2)
            assert back.taken[:2] == ["one", "two"]
            events.flush()
            time.sleep(0.1)
        said = [event.text for event in journal.event_log.page(kind="delivery")]
        assert any("cannot be delivered: no answer" in text for text in said)
        assert any("delivered again" in text for text in said)
        assert not any(SECRET in text for text in said)


def test_what_a_destination_refuses_for_good_is_given_up_and_the_next_one_goes_out(
    hook: Webhook, journal: Journal
) -> None:
    hook.script = [400] * 3
    with serving_alerts(journal, alerts_to(hook.url, max_tries=3)) as (events, _):
        tell(events, "one", "two")
        hook.wait_for(1)
        assert hook.taken[0] == "two"
    states = [(row.text, row.state, row.tries) for row in journal.deliveries.all("hook")]
    assert states[:2] == [("one", GIVEN_UP, 3), ("two", SENT, 1)]


def test_a_message_that_is_a_day_old_is_given_up(hook: Webhook, journal: Journal) -> None:
    old = NewDelivery(
        destination="hook",
        idempotency_key="old",
        queued_at=datetime.now(UTC) - timedelta(days=2),
        severity=Severity.CRITICAL,
        subject="event:1",
        text="old news",
    )
    journal.deliveries.plan([old], {})
    with serving_alerts(journal, alerts_to(hook.url)) as (events, _):
        tell(events, "new")
        hook.wait_for(1)
    assert "old news" not in hook.taken


def test_a_process_that_dies_between_sending_and_noting_sends_it_again_with_the_same_key(
    hook: Webhook, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: the receiver has the key to see it once."""
    real = journal.deliveries.end

    def dying(*_given: Any) -> None:
        raise KeyboardInterrupt

    with serving_alerts(journal, alerts_to(hook.url)) as (events, service):
        monkeypatch.setattr(journal.deliveries, "end", dying)
        tell(events, "one", "two")
        hook.wait_for(1)
        until = time.monotonic() + 5
        while "thread" not in service.failures and time.monotonic() < until:
            time.sleep(0.01)
    monkeypatch.setattr(journal.deliveries, "end", real)
    assert len(hook.came) == 1
    with serving_alerts(journal, alerts_to(hook.url)):
        hook.wait_for(2)
        assert hook.taken[:2] == ["one", "two"]
    assert hook.keys[0] == hook.keys[1]
    assert len(set(hook.keys[1:])) == len(hook.keys[1:])


@pytest.mark.slow
def test_a_process_that_is_killed_while_the_webhook_has_the_message_sends_it_once_more(
    hook: Webhook, journal: Journal
) -> None:
    hook.script = ["unnoticed"]
    path = journal.path
    journal.close()

    def start(text: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.serving.alerts.killed_sender", str(path), f"{hook.url}/{SECRET}", text]
        return subprocess.Popen(command)

    first = start("one")
    hook.wait_for(1, 60)
    first.kill()
    first.wait()
    second = start("two")
    hook.wait_for(2, 60)
    time.sleep(1.0)
    second.kill()
    second.wait()
    assert hook.taken == ["one", "two"]
    assert hook.keys[0] == hook.keys[1]
    assert len(hook.keys) == 3


def test_what_was_planned_before_a_restart_is_neither_forgotten_nor_told_twice(hook: Webhook, journal: Journal) -> None:
    hook.always = 500
    with serving_alerts(journal, alerts_to(hook.url)) as (events, _):
        tell(events, "one")
        time.sleep(0.1)
    journal.event_log.record([], datetime.now(UTC))
    tell(Events(journal, lambda: T0), "while no process ran")
    hook.always = 200
    with serving_alerts(journal, alerts_to(hook.url)):
        hook.wait_for(3)
        time.sleep(0.1)
    assert [text for text in hook.taken if not text.startswith(("the process", "alerts to"))] == [
        "one",
        "while no process ran",
    ]


def test_a_full_disk_delays_events_and_loses_none(hook: Webhook, journal: Journal) -> None:
    events = Events(journal, lambda: T0)
    events.flush()
    fill_up(journal)
    tell(events, "one")
    tell(events, "two")
    assert events.failure is not None
    assert journal.event_log.page(kind="test") == []
    make_room(journal)
    from_warnings_on = DestinationSettings(name="hook")
    with serving_alerts(journal, alerts_to(hook.url, destinations=(from_warnings_on,)), events):
        events.flush()
        assert events.failure is None
        hook.wait_for(2)
    assert hook.taken[:2] == ["one", "two"]


def test_a_full_disk_does_not_silence_its_own_alarm(
    hook: Webhook, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be queued then: it is told directly, once, and what waited comes when there is room."""
    monkeypatch.setattr(emergency.run_emergency, "__kwdefaults__", {"after_s": 0.1, "monotonic": time.monotonic})
    monkeypatch.setattr(emergency, "_LOOK_S", 0.02)
    monkeypatch.setattr(emergency, "_RETRY_S", 0.05)
    with serving_alerts(journal, alerts_to(hook.url)) as (events, _), monkeypatch.context() as full:
        full.setattr(journal.event_log, "record", no_space)
        hook.script = [500, "cut"]
        tell(events, "something")
        hook.wait_for(1)
        time.sleep(0.3)
        assert len(hook.taken) == 1
        assert "the journal takes no entries (the disk is full): nothing is opened" in hook.taken[0]
        full.undo()
        events.flush()
        hook.wait_for(2)
        assert hook.taken[1] == "something"


def no_space(*_: object, **__: object) -> None:
    raise JournalWriteError("the disk is full", "make room")


def test_trading_goes_on_while_every_webhook_hangs(tiny: TinyOkx, tmp_path: Path, hook: Webhook) -> None:
    """Looks at the venue take no longer, the position is opened and guarded, and the state is the same."""
    tmp_path.chmod(0o700)
    hook.always = "hang"
    guard = Guard(tiny, tmp_path)
    settings = Settings(home=tmp_path, alerts=alerts_to(hook.url, timeout_s=5.0))
    with AlertService(settings, guard.desk.journal, guard.events, lambda: guard.status, lambda: from_ms(tiny.now_ms)):
        asyncio.run(opened(guard.desk))
        begun = time.monotonic()
        for _ in range(10):
            guard.events.record("test", Severity.CRITICAL, "something")
            tiny.now_ms += 15_000
            asyncio.run(guard.watch.look())
        took = time.monotonic() - begun
        assert guard.supervisor.state is TradingState.TRADING
        assert len(tiny.live_algos(BTC)) == 1
        assert took < 3, took
    hook.released.set()
    guard.desk.journal.close()


@pytest.mark.parametrize("shape", ["plain", "slack", "telegram"])
def test_each_shape_has_its_body_and_no_secret_in_it(shape: str, hook: Webhook, journal: Journal) -> None:
    token = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11" if shape == "telegram" else "a-token-of-the-hook"
    destination = DestinationSettings(
        name="hook", shape=shape, severity="info", chat="-42" if shape == "telegram" else ""
    )  # type: ignore[arg-type]
    alerts = alerts_to(hook.url, destinations=(destination,), tokens={"hook": SecretStr(token)})
    with serving_alerts(journal, alerts) as (events, _):
        tell(events, "a <b> & [c](http://d) *e*")
        hook.wait_for(1)
        item = hook.came[0]
    body, headers = json.loads(item["body"]), item["headers"]
    assert token not in item["body"].decode()
    if shape == "telegram":
        assert item["path"] == f"/{SECRET}/bot{token}/sendMessage"
        assert "Authorization" not in headers
        assert set(body) == {"chat_id", "text", "link_preview_options"}
        assert body["chat_id"] == "-42"
    else:
        assert headers["Authorization"] == f"Bearer {token}"
    if shape == "slack":
        assert "a &lt;b&gt; &amp; [c]" in body["text"]
    if shape == "plain":
        assert set(body) == {"id", "at", "source", "severity", "kind", "event_id", "text"}
        assert (body["source"], body["severity"]) == ("pairity paper", "warning")
        assert body["id"] == headers["Idempotency-Key"]
        assert (body["kind"], body["event_id"]) == ("event", journal.event_log.page(kind="test")[0].event_id)
    else:
        number = journal.event_log.page(kind="test")[0].event_id
        assert body["text"].endswith(f"(#{number})"), "whoever acknowledges needs the number"


def test_the_outside_monitor_is_asked_while_the_watch_succeeds_and_not_otherwise(
    hook: Webhook, journal: Journal
) -> None:
    alerts = AlertSettings(dead_man_url=SecretStr(f"{hook.url}/ping"), dead_man_minutes=0.001, timeout_s=1)
    events = Events(journal, lambda: T0)
    moment = [0.0]
    events.heart._monotonic = lambda: moment[0]
    with serving_alerts(journal, alerts, events):
        time.sleep(0.2)
        assert hook.came == [], "the venue has not been seen yet"
        events.heart.beat()
        hook.wait_for(1)
        moment[0] += 1000.0
        time.sleep(0.15)
        before = len(hook.came)
        time.sleep(0.3)
        assert len(hook.came) == before, "a watch that does not succeed is not well"
        events.heart.beat()
        until = time.monotonic() + 3
        while len(hook.came) == before:
            assert time.monotonic() < until
            time.sleep(0.01)
