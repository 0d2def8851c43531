"""Events at the command line, and a trial of the alerts against a webhook of this machine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from pairity.layout import Layout
from pairity_cli.main import main
from serving.journal import Journal
from serving.journal.event_records import NewEvent, Severity
from tests.serving.alerts.webhook import webhook

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("PAIRITY_HOME", str(home))
    return home


def run(*line: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, [*line])
    return result.exit_code, result.output


def test_events_are_listed_newest_first_and_chosen(home: Path) -> None:
    journal = Journal.open(Layout(home).journal)
    written = [
        NewEvent(at=AT, kind="position", severity=Severity.INFO, text="opened"),
        NewEvent(at=AT, kind="state", severity=Severity.CRITICAL, text="halted:\x1b[31m red"),
        NewEvent(at=AT, kind="state", severity=Severity.WARNING, text="guarding"),
    ]
    journal.event_log.record(written, AT)
    journal.event_log.acknowledge([3], AT, "command")
    journal.close()
    code, shown = run("events")
    assert code == 0
    assert [shown.index(text) for text in ("guarding", "halted", "opened")] == sorted(
        shown.index(text) for text in ("guarding", "halted", "opened")
    )
    assert "\x1b[31m" not in shown
    assert "01-05 12:00 UTC by command" in shown
    assert [json.loads(line)["text"] for line in run("events", "--json", "--open", "--limit", "1")[1].splitlines()] == [
        "halted:\x1b[31m red"
    ]
    assert "no such event" not in run("events", "--severity", "critical")[1]


def test_without_a_journal_events_say_so(home: Path) -> None:
    code, said = run("events")
    assert code == 0
    assert "nothing stored yet" in said


def test_a_trial_reaches_every_destination_and_says_which_it_does_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("alert-test")[0] == 2
    with webhook() as desk, webhook() as night:
        night.always = 404
        names = [{"name": "desk", "severity": "critical"}, {"name": "night", "shape": "slack"}]
        monkeypatch.setenv("PAIRITY_ALERTS__DESTINATIONS", json.dumps(names))
        monkeypatch.setenv("PAIRITY_ALERTS__URLS", json.dumps({"desk": f"{desk.url}/s3cr3tpath", "night": night.url}))
        monkeypatch.setenv("PAIRITY_ALERTS__DEAD_MAN_URL", f"{desk.url}/monitor")
        code, said = run("alert-test")
        assert code == 1
        assert "desk: delivered, answered 200" in said
        assert "night: NOT delivered, answered 404" in said
        assert "outside monitor: delivered" in said
        assert "s3cr3tpath" not in said
        assert (len(desk.came), len(night.came)) == (2, 1)
        night.always = 200
        assert run("alert-test")[0] == 0
