"""Verdicts of parity: planted faults caught by the job, kept, told, guarded for, released; promotions refused."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from pairity.errors import ConfigError
from pairity.timeline import DAY, HOUR
from pairity_cli.main import main
from serving.alerts.events import Events
from serving.journal import Journal, TradingState
from serving.journal.event_records import CarriedOut, NewEvent, Severity, Wish
from serving.journal.verdict_records import ParityVerdict, find_checked_until, find_standing
from serving.parity_desk import ParityDesk
from serving.parity_job import ParityJob, make_parity_command
from serving.parity_verdicts import check_new, keep_verdict, list_waiting, live_parity, read_verdicts, require_parity
from serving.sightings import Sightings
from serving.status import Status
from serving.supervisor import PARITY, Supervisor
from tests.serving import parity_scene as planting
from tests.serving.parity_scene import FEATURES, NUMBERS, PAIRS, START, Scene
from venue.clock import SteppedClock


class Process:
    """What of a trading process takes up verdicts."""

    def __init__(self, scene, at, most=0):
        settings = scene.settings.model_copy(
            update={"parity": scene.settings.parity.model_copy(update={"most_different": most})}
        )
        self.at = at
        self.journal = Journal.open(scene.layout.journal)
        self.sightings, self.said = Sightings(), []
        self.events = Events(self.journal, lambda: self.at)
        self.supervisor = Supervisor(self.journal, Status("demo", "here", {}), lambda: self.at, self.said.append)
        self.desk = ParityDesk(settings, self.journal, self.supervisor, self.events, self.sightings, lambda: self.at)

    def take_up(self):
        self.desk.take_up()
        self.events.flush()

    def told(self):
        return list(self.journal.event_log.page(kind="parity", limit=50))

    def unguard(self):
        """Journal what a person asks for, as the desk of requests does."""
        self.supervisor.clear(PARITY)
        asked = CarriedOut(
            request_id="r1",
            at=self.at,
            wish=Wish.UNGUARD,
            reason="looked at",
            by="command",
            position_id=None,
            event_id=None,
            carried_out_at=self.at,
        )
        event = NewEvent(at=self.at, kind="request", severity=Severity.INFO, text="unguard")
        self.journal.requests.record(asked, event)

    def end(self):
        self.journal.close()


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "home")


@pytest.fixture
def job(scene, monkeypatch):
    """The command of the job, in this process and without its priority."""
    monkeypatch.setenv("PAIRITY_HOME", str(scene.settings.root))
    monkeypatch.setattr("os.nice", lambda step: step)

    def run(*options):
        return CliRunner().invoke(main, ["parity", *options])

    return run


PLANTED = {
    "another value": (planting.plant_changed_transform, 1),
    "float32": (planting.plant_float32, 1),
    "stale row": (planting.plant_stale_row, len(NUMBERS)),
    "lost correction": (planting.plant_lost_correction, len(PAIRS)),
}


@pytest.mark.parametrize("cause", PLANTED)
def test_a_planted_fault_is_caught_by_the_job_named_guarded_for_and_blocks_promotion(scene, job, cause):
    plant, count = PLANTED[cause]
    scene.decide(range(3))
    assert job("--job").exit_code == 0
    plant(scene, 3)
    scene.decide(range(3, 5))
    done = job("--job")
    assert done.exit_code == 0, done.output
    assert f"{count} {cause}" in done.output.splitlines()[-1]

    process = Process(scene, START + 6 * HOUR)
    assert process.supervisor.state is TradingState.TRADING
    process.take_up()
    first, second = process.journal.verdicts.all()
    assert (first.decisions, first.different, first.by) == (3, 0, "job")
    assert (second.decisions, second.values, second.different) == (2, 4 * len(FEATURES), count)
    assert second.causes == {cause: count}
    assert (second.missing, second.extra, second.last_different) == (0, 0, START + 3 * HOUR)
    assert list_waiting(scene.layout) == []
    (event,) = process.told()
    assert event.severity is Severity.CRITICAL
    assert cause in event.text
    assert "2026-01-05 03:00" in event.text
    assert process.supervisor.state is TradingState.GUARDING
    assert f"{count} {cause}" in process.supervisor.causes[PARITY]
    assert process.sightings.parity.different == count
    process.end()

    with pytest.raises(ConfigError, match=f"no version is promoted: .*{cause}"):
        require_parity(scene.settings)
    check = live_parity(scene.settings)
    assert check is not None
    assert check()[0] == count


def test_a_clean_check_of_later_decisions_ends_the_guard_and_lets_promotions_through(scene, job):
    planting.plant_float32(scene, 1)
    scene.decide(range(3))
    job("--job")
    process = Process(scene, START + 6 * HOUR)
    process.take_up()
    assert process.supervisor.has(PARITY)
    process.end()
    # A restart keeps it, and so does a clean check of what was before it
    assert job("--until", "2026-01-05T01:00").exit_code == 0
    process = Process(scene, START + 6 * HOUR)
    process.take_up()
    assert process.supervisor.has(PARITY)
    process.end()
    scene.decide(range(3, 6))
    assert "3 decisions" in require_parity(replace_nothing(scene.settings, job))
    process = Process(scene, START + 7 * HOUR)
    process.take_up()
    assert process.supervisor.state is TradingState.TRADING
    process.end()


def replace_nothing(settings, job):
    """Check as the command does, and return the settings."""
    assert job("--since", "2026-01-05T03:00").exit_code == 0
    assert job("--job").exit_code == 0
    return settings


def test_a_person_ends_the_guard_over_restarts_and_promotions_stay_blocked(scene, job):
    planting.plant_float32(scene, 1)
    scene.decide(range(3))
    job("--job")
    process = Process(scene, START + 6 * HOUR)
    process.take_up()
    process.at += HOUR
    process.unguard()
    process.end()
    process = Process(scene, START + 8 * HOUR)
    process.take_up()
    assert process.supervisor.state is TradingState.TRADING
    process.end()
    with pytest.raises(ConfigError):
        require_parity(scene.settings)
    planting.plant_float32(scene, 4)
    scene.decide(range(3, 5))
    job("--job")
    process = Process(scene, START + 9 * HOUR)
    process.take_up()
    assert process.supervisor.has(PARITY)
    process.end()


def test_up_to_the_limit_nothing_is_guarded_for_and_promotions_are_refused_all_the_same(scene, job):
    planting.plant_float32(scene, 1)
    scene.decide(range(3))
    assert job().exit_code == 1
    process = Process(scene, START + 6 * HOUR, most=1)
    process.take_up()
    assert process.supervisor.state is TradingState.TRADING
    assert [event.severity for event in process.told()] == [Severity.WARNING]
    process.end()
    with pytest.raises(ConfigError, match="1 float32"):
        require_parity(scene.settings)


def test_before_the_first_decision_nothing_is_checked_and_nothing_blocks(scene):
    assert check_new(scene.settings, "job") is None
    assert live_parity(scene.settings) is None
    assert require_parity(scene.settings) == "nothing was decided on live yet"


def test_promote_checks_what_is_new_by_itself(scene):
    scene.decide(range(2))
    assert "2 decisions" in require_parity(scene.settings)
    scene.decide(range(2, 3))
    assert "1 decision " in require_parity(scene.settings)
    assert [verdict.by for verdict in read_verdicts(scene.layout)] == ["promotion", "promotion"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"verdict_id": 1}', b"\xff" * 10])
def test_a_file_that_is_no_verdict_is_told_once_stays_and_hides_no_other(scene, job, content):
    scene.decide(range(2))
    job("--job")
    (kept,) = list_waiting(scene.layout)
    bad = kept.with_name("20200101T000000000000-0123456789abcdef.json")
    bad.write_bytes(content)
    bad.chmod(0o600)
    process = Process(scene, START + 6 * HOUR)
    process.take_up()
    process.take_up()
    assert len(process.journal.verdicts.all()) == 1
    assert [event.severity for event in process.told()] == [Severity.WARNING]
    assert list_waiting(scene.layout) == [bad]
    process.end()
    with pytest.raises(ConfigError, match="is not the verdict of a parity check"):
        require_parity(scene.settings)


def verdict(hours, *, since=None, different=0, at=0, last_different=None):
    first, last = hours
    return ParityVerdict(
        verdict_id=f"{at + 100:016x}",
        at=START + at * HOUR,
        by="job",
        since=None if since is None else START + since * HOUR,
        first_bar=START + first * HOUR,
        last_bar=START + last * HOUR,
        decisions=last - first + 1,
        values=10,
        different=different,
        missing=0,
        extra=0,
        last_different=None if last_different is None else START + last_different * HOUR,
        causes={"float32": different} if different else {},
        examples=(),
    )


def test_only_checks_without_a_hole_before_them_count_as_reached():
    assert find_checked_until([]) is None
    assert find_checked_until([verdict((5, 9), since=5)]) is None
    assert find_checked_until([verdict((0, 3)), verdict((5, 9), since=5, at=1)]) == START + 3 * HOUR
    assert find_checked_until([verdict((0, 3)), verdict((2, 9), since=2, at=1)]) == START + 9 * HOUR
    assert find_checked_until([verdict((0, 9)), verdict((0, 3), at=1)]) == START + 9 * HOUR


def test_a_mismatch_stands_until_a_clean_check_reaches_its_last_bar():
    bad = verdict((0, 9), different=2, last_different=7)
    assert find_standing([bad]) is bad
    assert find_standing([bad, verdict((0, 6), at=1)]) is bad
    assert find_standing([bad, verdict((0, 7), at=1)]) is None
    assert find_standing([bad, verdict((10, 11), since=10, at=1)]) is None
    assert find_standing([verdict((10, 11), at=-1), bad]) is bad
    older = verdict((0, 3), different=1, last_different=2, at=1)
    assert find_standing([bad, older, verdict((3, 5), since=3, at=2)]) is bad


def test_a_verdict_is_kept_as_it_was(scene):
    made = replace(verdict((0, 9), different=2, last_different=7), examples=("a of b",))
    keep_verdict(scene.layout, made)
    scene.decide(range(1))
    assert read_verdicts(scene.layout) == [made]


class StandingClock(SteppedClock):
    def __init__(self, now):
        super().__init__("http://nowhere", now)


def test_the_job_is_due_once_a_day_and_a_failure_is_told(scene):
    scene.decide(range(2))
    process = Process(scene, START + 6 * HOUR)
    clock = StandingClock(datetime(2026, 1, 5, 6, tzinfo=UTC))

    def made(code):
        return ParityJob(
            scene.settings, clock, process.journal, process.events, process.said.append,
            lambda: [sys.executable, "-c", code],
        )  # fmt: skip

    async def run(one):
        await one.start(one.due())
        await one.aclose()

    job = made("import sys; print('error: the store is gone'); sys.exit(4)")
    assert job.due() == START + DAY + timedelta(minutes=15)
    asyncio.run(run(job))
    assert job.due() == START + 2 * DAY + timedelta(minutes=15)
    (event,) = process.told()
    assert (event.severity, "exit code 4: the store is gone" in event.text) == (Severity.WARNING, True)
    asyncio.run(run(made("print('parity of 2 decisions')")))
    assert "parity of 2 decisions" in process.said[-1]
    assert len(process.told()) == 1
    process.end()


@pytest.mark.slow
def test_the_real_job_beside_the_process_that_writes_the_journal(scene):
    planting.plant_stale_row(scene, 3)
    scene.decide()
    process = Process(scene, START + 6 * HOUR)

    async def run():
        one = ParityJob(
            scene.settings, StandingClock(process.at), process.journal, process.events, process.said.append,
            make_parity_command,
        )  # fmt: skip
        await one.start(one.due())
        await one.aclose()

    asyncio.run(run())
    process.take_up()
    (found,) = process.journal.verdicts.all()
    assert found.causes == {"stale row": len(NUMBERS)}
    assert process.supervisor.has(PARITY)
    process.end()
