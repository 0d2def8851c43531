"""Retraining as a process of its own: real processes, made-up time."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pairity.configuration import load_settings
from pairity.errors import JournalError
from pairity.settings import Settings
from serving.alerts.events import Events
from serving.child_jobs import JobEnd, make_environment
from serving.journal import Journal, Retraining
from serving.retraining import Command, Retrainer, make_retrain_command, retrain_daily, run_retraining
from serving.status import Status
from tests.serving.trading import RUN
from venue.clock import SteppedClock

pytestmark = pytest.mark.slow

NOON = datetime(2025, 3, 18, 12, tzinfo=UTC)
DUE = datetime(2025, 3, 19, 0, 30, tzinfo=UTC)
SLEEPS = "import time; print('begun', flush=True); time.sleep(60)"


class SetClock:
    """A clock that is set; sleeping sets it."""

    def __init__(self, now: datetime) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    async def sleep_until(self, instant: datetime) -> None:
        self.instant = max(self.instant, instant)
        await asyncio.sleep(0)


class StandingClock(SteppedClock):
    """Virtual time without an exchange."""

    def __init__(self, now: datetime) -> None:
        super().__init__("http://nowhere", now)


def program(code: str) -> Command:
    return lambda known_at: [sys.executable, "-c", code, known_at.isoformat()]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def run(settings: Settings, code: str) -> JobEnd:
    return asyncio.run(run_retraining(settings, program(code)(NOON)))


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("print('stage'); print('version 7 is champion: passed')", JobEnd(0, "version 7 is champion: passed")),
        ("import sys; print('error: no data\\n  → ingest', file=sys.stderr); sys.exit(4)", JobEnd(4, "no data")),
        ("raise ValueError('a bug')", JobEnd(1, "ValueError: a bug")),
        ("", JobEnd(0, "no output")),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", JobEnd(-9, "no output")),
    ],
)
def test_exit_code_and_last_words(settings: Settings, code: str, ended: JobEnd) -> None:
    assert run(settings, code) == ended
    assert str(JobEnd(4, "no data")) == "failed with exit code 4: no data"


def test_a_job_that_takes_too_long_is_ended(settings: Settings) -> None:
    hasty = settings.model_copy(update={"retrain": settings.retrain.model_copy(update={"limit_hours": 1 / 3600})})
    begun = time.monotonic()
    ended = run(hasty, SLEEPS)
    assert ended.exit_code == -15
    assert "it took more than" in ended.summary
    assert time.monotonic() - begun < 20


def test_a_job_reads_the_settings_of_its_parent_and_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_EXCHANGE__API_SECRET", "hush-hush")
    monkeypatch.setenv("PAIRITY_LIVE_TRADING", "i-accept-the-risk")
    monkeypatch.setenv("PAIRITY_STRATEGY__Z_ENTRY", "1.7")
    monkeypatch.setenv("PAIRITY_SERVE__CONTROL_TOKEN", "hush-hush-to-act-with-it")
    monkeypatch.setenv("PAIRITY_SERVE__STATUS_TOKEN", "hush-hush-to-read")
    monkeypatch.setenv("PAIRITY_ALERTS__DESTINATIONS", '[{"name": "desk"}]')
    monkeypatch.setenv("PAIRITY_ALERTS__URLS", '{"desk": "https://hooks.example.com/hush-hush"}')
    ours = load_settings(
        home=tmp_path / "elsewhere",
        universe={"assets": ("BTC", "SOL")},
        strategy={"switch_threshold": 0.4},
        retrain={"at": "04:15"},
    )
    given = make_environment(ours)
    assert not [name for name, value in given.items() if "hush" in value or name == "PAIRITY_LIVE_TRADING"]
    for name in [name for name in os.environ if name.startswith("PAIRITY_")]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        if name.startswith("PAIRITY_"):
            monkeypatch.setenv(name, value)
    read = load_settings()
    assert read.exchange.api_secret is None
    assert (read.serve.control_token, read.serve.status_token, read.alerts.destinations) == (None, None, ())
    plain = {"exchange", "sources", "alerts", "home", "serve"}
    assert read.serve.model_dump() == ours.serve.model_dump() | {"status_token": None, "control_token": None}
    assert read.model_dump(exclude=plain) == ours.model_dump(exclude=plain)
    assert read.root == ours.root
    assert ours.strategy.z_entry == 1.7


def test_the_command_is_the_plain_one() -> None:
    arguments = make_retrain_command(NOON)
    assert arguments[1:] == [
        "-m",
        "pairity_cli",
        "retrain",
        "--once",
        "--as-known-at",
        "2025-03-18T12:00:00+00:00",
    ]


def retrainer(
    settings: Settings, journal: Journal, clock: SetClock | StandingClock, code: str, said: list[str]
) -> tuple[Retrainer, Status]:
    status = Status("demo", "here", {})
    events = Events(journal, clock.now)
    return Retrainer(settings, clock, journal, RUN.run_id, status, events, said.append, program(code)), status


async def until(done: Callable[[], object]) -> None:
    """Wait in real time: what is waited for is another process."""
    for _ in range(600):
        if done():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came")


def test_it_is_due_once_a_day_and_journalled(settings: Settings, journal: Journal) -> None:
    said: list[str] = []

    async def scenario() -> None:
        clock = SetClock(NOON)
        made, status = retrainer(settings, journal, clock, "import sys; print('known at', sys.argv[1])", said)
        assert made.due() == DUE
        assert status.retraining == "next due at 2025-03-19 00:30 UTC"
        await clock.sleep_until(DUE)
        await made.start(made.due())
        assert status.retraining == "running, due 2025-03-19 00:30 UTC"
        assert made.due() == DUE + timedelta(days=1)
        assert journal.models.retrainings()[0].ended_at is None
        await until(lambda: said)
        (row,) = journal.models.retrainings()
        assert (row.due_at, row.exit_code, row.summary) == (DUE, 0, "known at 2025-03-19T00:30:00+00:00")
        assert row.ended_at == DUE
        await made.aclose()

    asyncio.run(scenario())
    assert said == ["retraining of 2025-03-19 00:30 UTC: known at 2025-03-19T00:30:00+00:00"]


def test_slots_missed_while_the_process_was_down_run_once(settings: Settings, journal: Journal) -> None:
    async def scenario() -> None:
        clock = SetClock(NOON)
        made, _ = retrainer(settings, journal, clock, "print('done')", [])
        clock.instant = DUE
        await made.start(made.due())
        await until(lambda: journal.models.retrainings()[0].ended_at)
        clock.instant = DUE + timedelta(days=3, hours=2)
        again, _ = retrainer(settings, journal, clock, "print('done')", [])
        assert again.due() == DUE + timedelta(days=3)
        await again.start(again.due())
        assert again.due() == DUE + timedelta(days=4)
        await again.aclose()
        await made.aclose()

    asyncio.run(scenario())
    assert [row.due_at for row in journal.models.retrainings()] == [DUE, DUE + timedelta(days=3)]


def test_a_failed_one_is_told_and_the_next_one_happens(settings: Settings, journal: Journal) -> None:
    said: list[str] = []

    async def scenario() -> None:
        clock = SetClock(NOON)
        made, _ = retrainer(settings, journal, clock, "import sys; print('error: no data'); sys.exit(4)", said)
        for day in range(2):
            clock.instant = DUE + timedelta(days=day)
            await made.start(made.due())
            await until(lambda day=day: len(said) > day)
        await made.aclose()

    asyncio.run(scenario())
    assert said == [f"retraining of 2025-03-{day} 00:30 UTC: failed with exit code 4: no data" for day in (19, 20)]
    assert [row.exit_code for row in journal.models.retrainings()] == [4, 4]


def set_writable(journal: Journal, writable: bool) -> None:
    with journal._begin() as connection:
        connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writable else 'ON'}")


def test_what_the_journal_does_not_take_stays_due(settings: Settings, journal: Journal) -> None:
    async def scenario() -> None:
        clock, said = SetClock(DUE), []
        made, status = retrainer(settings, journal, SetClock(NOON), "print('done')", said)
        made._clock = clock
        set_writable(journal, False)
        for _ in range(2):
            with pytest.raises(JournalError, match="readonly"):
                await made.start(made.due())
            assert made.due() == DUE
            assert status.retraining == "next due at 2025-03-19 00:30 UTC"
            clock.instant += timedelta(hours=1)
        set_writable(journal, True)
        await made.start(made.due())
        await until(lambda: said)
        await made.aclose()
        assert made.due() == DUE + timedelta(days=1)

    asyncio.run(scenario())
    (row,) = journal.models.retrainings()
    assert (row.due_at, row.started_at, row.summary) == (DUE, DUE + timedelta(hours=2), "done")


def test_a_begin_that_was_written_without_an_answer_is_written_again(journal: Journal) -> None:
    begun = Retraining(due_at=DUE, run_id=RUN.run_id, started_at=DUE)
    journal.models.begin_retraining(begun)
    again = replace(begun, started_at=DUE + timedelta(hours=1))
    journal.models.begin_retraining(again)
    assert journal.models.retrainings() == [again]
    journal.models.end_retraining(replace(again, ended_at=DUE + timedelta(hours=2), exit_code=0, summary="done"))
    with pytest.raises(JournalError):
        journal.models.begin_retraining(again)


def test_what_cannot_be_started_is_told(settings: Settings, journal: Journal) -> None:
    said: list[str] = []

    async def scenario() -> None:
        status = Status("demo", "here", {})
        clock = SetClock(DUE)
        events = Events(journal, clock.now)
        made = Retrainer(settings, clock, journal, RUN.run_id, status, events, said.append, lambda _: ["/no/such/file"])
        await made.start(DUE)
        await until(lambda: said)
        await made.aclose()

    asyncio.run(scenario())
    assert "could not be started" in said[0]
    assert journal.models.retrainings()[0].exit_code is None


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_in(settings: Settings) -> int | None:
    log = settings.root / "retrain.log"
    text = log.read_text() if log.exists() else ""
    return int(text) if text.endswith("\n") else None


def test_one_at_a_time_and_none_outlives_the_process(settings: Settings, journal: Journal) -> None:
    said: list[str] = []
    tells = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"

    async def scenario() -> int:
        clock = SetClock(DUE)
        made, _ = retrainer(settings, journal, clock, tells, said)
        await made.start(DUE)
        await until(lambda: pid_in(settings))
        clock.instant = DUE + timedelta(days=1)
        await made.start(made.due())
        assert said == ["retraining of 2025-03-20 00:30 UTC left out: the one before is still running"]
        pid = pid_in(settings)
        assert pid is not None
        assert alive(pid)
        await made.aclose()
        return pid

    assert not alive(asyncio.run(scenario()))
    (row,) = journal.models.retrainings()
    assert (row.exit_code, row.summary) == (None, "ended with the trading process")
    assert said[1:] == ["retraining of 2025-03-19 00:30 UTC: ended with the trading process"]


def test_a_job_that_does_not_listen_is_killed(
    settings: Settings, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.child_jobs._STOP_S", 0.3)
    deaf = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True);"
        "time.sleep(60)"
    )

    async def scenario() -> int:
        made, _ = retrainer(settings, journal, SetClock(DUE), deaf, [])
        await made.start(DUE)
        await until(lambda: pid_in(settings))
        pid = pid_in(settings)
        await made.aclose()
        assert pid is not None
        return pid

    assert not alive(asyncio.run(scenario()))


def test_decisions_do_not_wait_for_it_but_virtual_time_does(settings: Settings, journal: Journal) -> None:
    async def scenario() -> tuple[bool, bool]:
        quick, _ = retrainer(settings, journal, SetClock(DUE), "import time; time.sleep(0.5); print('done')", [])
        await quick.start(DUE)
        running = journal.models.retrainings()[0].ended_at is None
        await quick.aclose()
        stands = StandingClock(DUE + timedelta(days=1))
        made, _ = retrainer(settings, journal, stands, "import time; time.sleep(0.5); print('done')", [])
        await made.start(made.due())
        ended = journal.models.retrainings()[-1].exit_code == 0
        await made.aclose()
        return running, ended

    assert asyncio.run(scenario()) == (True, True)


def test_the_scheduler_goes_on_after_a_failure_until_it_is_stopped(settings: Settings) -> None:
    said: list[str] = []
    known: list[datetime] = []

    async def scenario() -> None:
        stop = asyncio.Event()

        def command(known_at: datetime) -> Sequence[str]:
            known.append(known_at)
            if len(known) == 3:
                asyncio.get_running_loop().call_later(1.0, stop.set)
                return [sys.executable, "-c", SLEEPS]
            return [sys.executable, "-c", "raise SystemExit(5)" if len(known) == 1 else "print('fine')"]

        await asyncio.wait_for(retrain_daily(settings, SetClock(NOON), stop, said.append, command), 60)

    asyncio.run(scenario())
    assert known == [DUE + timedelta(days=day) for day in range(3)]
    assert [line for line in said if not line.startswith("next")] == [
        "retraining of 2025-03-19 00:30 UTC: failed with exit code 5: no output",
        "retraining of 2025-03-20 00:30 UTC: fine",
        "retraining of 2025-03-21 00:30 UTC: ended on request",
    ]


def test_the_environment_is_json_where_it_must_be(settings: Settings) -> None:
    assert json.loads(make_environment(settings)["PAIRITY_RETRAIN"])["at"] == "00:30"
