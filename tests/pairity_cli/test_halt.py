"""Requests of a person to the trading process, made by commands."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from pairity.layout import Layout
from pairity_cli.main import main
from serving.requests import Wish, drop_request, take_request


@pytest.mark.parametrize(
    ("arguments", "wish"),
    [(["halt"], Wish.HALT), (["halt", "--flatten"], Wish.FLATTEN), (["resume"], Wish.RESUME)],
    ids=" ".join,
)
def test_a_request_waits_for_the_process(
    arguments: list[str], wish: Wish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("PAIRITY_HOME", str(home))
    done = CliRunner().invoke(main, [*arguments, "--reason", "a drill"])
    assert done.exit_code == 0, done.output
    assert str(wish) in done.output
    layout = Layout(home)
    assert stat.S_IMODE(layout.request.stat().st_mode) == 0o600
    request = take_request(layout)
    assert request is not None
    assert (request.wish, request.reason) == (wish, "a drill")
    assert take_request(layout) == request, "until it is dropped, a process that dies finds it again"
    drop_request(layout)
    assert take_request(layout) is None


def test_a_reason_is_one_printable_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(main, ["halt", "--reason", "two\nlines"])
    assert done.exit_code == 2
