"""A leaderboard that was kept is shown again as it was."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pairity.errors import LakeCorruptError, MissingDataError
from pairity.layout import Layout
from pairity_cli.leaderboard_page import LeaderboardPage, keep_page, read_last_page
from pairity_cli.main import main

PAGE = LeaderboardPage(
    made_at="2026-01-02 00:00",
    run_id="586f4cc6dd0c47868143257de78a684f",
    span="3 test periods",
    columns=["net", "Sharpe"],
    rows=[("pair_forest", [("-7.10%", -0.071), ("–", None)])],
    lines=["Sharpe ratio after costs, 95% interval: not distinguishable from zero: pair_forest"],
)


def test_the_last_one_is_shown_again_and_nothing_is_computed(tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    keep_page(Layout(tmp_path), PAGE)
    done = CliRunner().invoke(main, ["leaderboard", "--last"])
    assert done.exit_code == 0, done.output
    for word in ("2026-01-02 00:00", "pair_forest", "-7.10%", PAGE.run_id, "not distinguishable from zero"):
        assert word in done.stdout
    said = json.loads(CliRunner().invoke(main, ["leaderboard", "--last", "--json"]).stdout)
    assert said["tables"][0]["rows"] == [{"family": "pair_forest", "net": -0.071, "sharpe": None}]


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_in_a_directory_that_was_moved_it_is_shown_with_hints_of_where_it_is_now(tmp_path, monkeypatch, how):
    first, now = tmp_path / "first", tmp_path / "as it is now"
    keep_page(Layout(first), PAGE)
    if how == "moved":
        first.rename(now)
    else:
        shutil.copytree(first, now)
    monkeypatch.setenv("PAIRITY_HOME", str(now))
    done = CliRunner().invoke(main, ["leaderboard", "--last"])
    assert done.exit_code == 0, done.output
    assert str(first) not in done.output
    assert " ".join(done.output.split()).count(f"PAIRITY_HOME='{now}' pairity") == 3  # report, ui, and this table


def test_what_would_have_to_be_computed_is_refused_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    assert CliRunner().invoke(main, ["leaderboard", "--last", "--train-bars", "100"]).exit_code == 2


def test_without_one_the_command_that_makes_it_is_named(tmp_path):
    with pytest.raises(MissingDataError, match="make one with: pairity leaderboard"):
        read_last_page(Layout(tmp_path))


@given(
    st.recursive(st.none() | st.integers() | st.text(max_size=4), lambda item: st.lists(item, max_size=3), max_leaves=8)
)
def test_a_damaged_one_is_named(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("page")
    keep_page(Layout(folder), PAGE)
    place = folder / "reports" / "last-leaderboard.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "rows": rows}))
    if rows == []:
        assert read_last_page(Layout(folder)).rows == []
        return
    with pytest.raises(LakeCorruptError, match=r"last-leaderboard\.json"):
        read_last_page(Layout(folder))
