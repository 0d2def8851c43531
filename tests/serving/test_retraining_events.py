"""What a person is told of retrainings: each end is one event, whatever the process lives through."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from pairity.alert_settings import AlertSettings, DestinationSettings
from pairity.errors import JournalWriteError
from pairity.settings import Settings
from serving.alerts.events import Events
from serving.journal import Journal, Retraining
from serving.journal.event_records import Severity
from serving.retraining import Retrainer, retrain_daily
from serving.retraining_outcome import say_outcome, tell_end
from serving.status import Status
from tests.serving.alerts.webhook import webhook
from tests.serving.test_retraining import DUE, SetClock
from tests.serving.trading import RUN

PROMOTED = say_outcome("8", "5 of 5 checks passed", promoted=True)
REFUSED = say_outcome("8", "trades: 8 closed, needed at least 30", promoted=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def make(settings: Settings, journal: Journal, code: str, said: list[str] | None = None) -> Retrainer:
    clock = SetClock(DUE)

    def command(_known_at: datetime) -> Sequence[str]:
        return [sys.executable, "-S", "-E", "-c", code]

    return Retrainer(
        settings,
        clock,
        journal,
        RUN.run_id,
        Status("paper", "here", {}),
        Events(journal, clock.now),
        (said if said is not None else []).append,
        command,
    )


def told(journal: Journal) -> list[tuple[Severity, str]]:
    return [(event.severity, event.text) for event in journal.event_log.page(kind="retraining")]


async def until_ended(journal: Journal) -> None:
    for _ in range(400):
        if journal.models.retrainings()[-1].ended_at is not None:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never ended")


@pytest.mark.parametrize(
    ("code", "severity", "words"),
    [
        (f"print({PROMOTED!r})", Severity.INFO, f"made a new champion: {PROMOTED}"),
        (f"print({REFUSED!r})", Severity.WARNING, f"was refused by the gate: {REFUSED}; the champion stays"),
        ("print('error: no data'); raise SystemExit(4)", Severity.WARNING, "failed with exit code 4: no data"),
        ("import os; os.kill(os.getpid(), 9)", Severity.WARNING, "failed with exit code -9: no output"),
        ("print('something else')", Severity.WARNING, "ended without saying what became of it: something else"),
    ],
)
def test_each_end_is_one_event(settings: Settings, journal: Journal, code: str, severity: Severity, words: str) -> None:
    async def scenario() -> None:
        made = make(settings, journal, code)
        await made.start(DUE)
        await until_ended(journal)
        await made.aclose()

    asyncio.run(scenario())
    ((found, text),) = told(journal)
    assert found is severity
    assert text.startswith(f"the retraining of 2025-03-19 00:30 UTC {words}")


def test_one_that_cannot_be_started_or_is_ended_with_the_process_is_told(settings: Settings, journal: Journal) -> None:
    async def scenario() -> None:
        made = make(settings, journal, "import time; time.sleep(60)")
        await made.start(DUE)
        await asyncio.sleep(0)
        await made.start(DUE + timedelta(days=1))
        await made.aclose()

    asyncio.run(scenario())
    texts = sorted(text for _, text in told(journal))
    assert len(texts) == 2
    assert "2025-03-19 00:30 UTC did not come to its end: " in texts[0]
    assert "2025-03-20 00:30 UTC was left out" in texts[1]


def test_one_that_was_killed_with_the_process_is_told_once_by_the_next(settings: Settings, journal: Journal) -> None:
    journal.models.begin_retraining(Retraining(due_at=DUE, run_id=RUN.run_id, started_at=DUE))
    for _ in range(2):
        assert make(settings, journal, "").due() == DUE + timedelta(days=1)
    ((severity, text),) = told(journal)
    assert severity is Severity.WARNING
    assert "ended with a process that was killed" in text


def test_a_journal_that_takes_nothing_hides_no_end(
    settings: Settings, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def full(_ended: Retraining) -> None:
        raise JournalWriteError("the disk is full", "make room")

    async def scenario() -> None:
        made = make(settings, journal, f"print({REFUSED!r})", said)
        monkeypatch.setattr(journal.models, "end_retraining", full)
        await made.start(DUE)
        while not said:
            await asyncio.sleep(0.02)
        await made.aclose()

    asyncio.run(scenario())
    assert said == [f"retraining of 2025-03-19 00:30 UTC: {REFUSED} (not journalled: the disk is full)"]
    assert len(told(journal)) == 1


def test_what_no_job_of_ours_says_is_no_promotion() -> None:
    for summary in ("", "version is champion: x", "a version 8 is champion: x", "version 8 is champion"):
        assert tell_end(DUE, 0, summary).severity is Severity.WARNING


def test_the_scheduler_without_a_journal_tells_its_destinations(tmp_path: Path) -> None:
    jobs = [f"print({REFUSED!r})", f"print({PROMOTED!r})", "raise SystemExit(5)"]
    with webhook() as hook:
        alerts = AlertSettings(
            destinations=(DestinationSettings(name="desk"), DestinationSettings(name="incomplete")),
            urls={"desk": SecretStr(f"{hook.url}/x?token=of-the-desk")},
        )

        async def scenario() -> None:
            stop = asyncio.Event()

            def command(_known_at: datetime) -> Sequence[str]:
                if not jobs:
                    stop.set()
                return [sys.executable, "-S", "-E", "-c", jobs.pop(0) if jobs else ""]

            settings = Settings(home=tmp_path / "home", alerts=alerts)
            clock = SetClock(DUE - timedelta(minutes=1))
            await asyncio.wait_for(retrain_daily(settings, clock, stop, lambda _: None, command), 30)

        asyncio.run(scenario())
    assert [text.partition(" was refused")[0].partition(" failed")[0] for text in hook.taken] == [
        "the retraining of 2025-03-19 00:30 UTC",
        "the retraining of 2025-03-21 00:30 UTC",
    ]
    assert all(b'"kind": "retraining"' in item["body"] for item in hook.came)
    assert all(b'"severity": "warning"' in item["body"] for item in hook.came)
