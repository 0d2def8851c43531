"""Requests of a person to the trading process, made by commands."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from pairity.layout import Layout
from pairity_cli.main import main
from serving.control.queue import RequestQueue, read_request
from serving.journal import Journal
from serving.journal.event_records import NewEvent, Severity, Wish

POSITION = "BTC__ETH@20250318T1700Z"


@pytest.mark.parametrize(
    ("arguments", "wish", "target"),
    [
        (["halt"], Wish.HALT, None),
        (["halt", "--flatten"], Wish.FLATTEN, None),
        (["resume"], Wish.RESUME, None),
        (["guard"], Wish.GUARD, None),
        (["unguard"], Wish.UNGUARD, None),
        (["close", POSITION], Wish.CLOSE, POSITION),
        (["acknowledge", "7"], Wish.ACKNOWLEDGE, 7),
        (["acknowledge", "--all"], Wish.ACKNOWLEDGE_ALL, None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_request_waits_for_the_process(
    arguments: list[str], wish: Wish, target: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("PAIRITY_HOME", str(home))
    done = CliRunner().invoke(main, [*arguments, "--reason", "a drill"])
    assert done.exit_code == 0, done.output
    assert str(wish) in done.output
    (path,) = RequestQueue(Layout(home)).list_waiting()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    request = read_request(path)
    assert (request.wish, request.reason, request.by) == (wish, "a drill", "command")
    assert (request.position_id or request.event_id) == target
    assert request.request_id in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["halt", "--reason", "two\nlines"],
        ["close", "../../journal"],
        ["close"],
        ["acknowledge"],
        ["acknowledge", "0"],
        ["acknowledge", "3", "--all"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    assert CliRunner().invoke(main, arguments).exit_code == 2
    assert not (tmp_path / "home" / "serve-requests").exists()


@pytest.mark.parametrize(
    ("recorded", "asked", "said"), [(2, 999, "the newest is 2"), (2, 3, "the newest is 2"), (0, 1, "it has none")]
)
def test_an_event_that_does_not_exist_is_not_acknowledged(
    recorded: int, asked: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    _record_events(home, recorded)
    monkeypatch.setenv("PAIRITY_HOME", str(home))
    done = CliRunner().invoke(main, ["acknowledge", str(asked)])
    assert done.exit_code != 0
    assert f"no event {asked}: {said}" in done.output
    assert "pairity events" in done.output
    assert RequestQueue(Layout(home)).list_waiting() == []


def test_an_event_that_exists_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    _record_events(home, 2)
    monkeypatch.setenv("PAIRITY_HOME", str(home))
    assert CliRunner().invoke(main, ["acknowledge", "2"]).exit_code == 0
    assert len(RequestQueue(Layout(home)).list_waiting()) == 1


def test_a_journal_that_cannot_be_read_refuses_no_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    Layout(home).journal.write_bytes(b"no database")
    Layout(home).journal.chmod(0o600)
    monkeypatch.setenv("PAIRITY_HOME", str(home))
    assert CliRunner().invoke(main, ["acknowledge", "2"]).exit_code == 0


def _record_events(home: Path, count: int) -> None:
    home.mkdir(mode=0o700)
    journal = Journal.open(Layout(home).journal)
    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    events = [NewEvent(at=at, kind="state", severity=Severity.WARNING, text=f"guarding {n}") for n in range(count)]
    journal.event_log.record(events, at)
    journal.close()
