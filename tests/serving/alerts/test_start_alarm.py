"""A start that waits for the venue is told of, though nothing is open yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from pairity.alert_settings import AlertSettings, DestinationSettings
from pairity.progress import SilentProgress
from pairity.settings import ExchangeSettings, Settings
from serving.alerts import start_alarm
from serving.alerts.start_alarm import StartAlarm
from serving.execution.okx import OkxVenue
from serving.opening import Opening, Stakes
from serving.presence import Presence
from serving.risk import Mode
from tests.serving.alerts.webhook import Webhook, webhook
from venue.okx_client import aclose, make_client

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as served:
        yield served


def alerts_to(*urls: str) -> AlertSettings:
    names = [f"hook{number}" for number in range(len(urls))]
    return AlertSettings(
        destinations=(*(DestinationSettings(name=name) for name in names), DestinationSettings(name="incomplete")),
        urls={name: SecretStr(f"{url}/a-path-that-is-secret") for name, url in zip(names, urls, strict=True)},
        timeout_s=1,
    )


def test_who_waits_for_the_venue_says_so(hook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StartAlarm.__init__, "__kwdefaults__", StartAlarm.__init__.__kwdefaults__ | {"after_s": 0.5})
    keys = {"api_key": "paper", "api_secret": "paper", "api_passphrase": "paper"}
    settings = Settings(
        home=tmp_path, exchange=ExchangeSettings(url=NOBODY, max_retries=0, **keys), alerts=alerts_to(NOBODY, hook.url)
    )

    async def wait_for_the_venue() -> None:
        client = make_client(settings, signed=True)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(aclose, client)
            opening = Opening(
                settings, Mode.PAPER, SilentProgress(), stack, OkxVenue(client, retries=0), Presence(settings, "paper")
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(opening._connect(Stakes(began=True, open=True)), 1.8)

    asyncio.run(wait_for_the_venue())
    assert len(hook.taken) == 1
    assert "cannot use the venue" in hook.taken[0]
    assert b"pairity paper" in hook.came[0]["body"]
    assert b"critical" in hook.came[0]["body"]


def test_it_is_told_after_a_minute_and_again_every_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, told = [0.0], []

    async def note_all() -> None:
        alarm = StartAlarm(alerts_to(), "pairity paper", monotonic=lambda: now_s[0])
        monkeypatch.setattr(alarm, "_tell", lambda _text: note(told, now_s[0]))
        while now_s[0] < 8000:
            alarm.note("gone")
            await asyncio.sleep(0)
            now_s[0] += 15
        await alarm.close()

    asyncio.run(note_all())
    assert told == [60.0, 60.0 + start_alarm.AGAIN_S, 60.0 + 2 * start_alarm.AGAIN_S]


async def note(told: list[float], at_s: float) -> None:
    told.append(at_s)
