"""The trading process itself with its journal in PostgreSQL: the rows of a file, kills, and a server that restarts."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from pairity.layout import Layout
from serving.journal import Journal, tables
from serving.journal.opened import connect_store
from tests.cluster.journal_places import home, place
from tests.cluster.test_restarts import start_again
from tests.serving.books.book_scene import BookScene, book_scene
from tests.serving.books.test_book_process import Killed, check_equal_to_backtest, count_ahead, open_mortal
from tools.local_cluster.processes import stop

pytestmark = pytest.mark.cluster
__all__ = ["home", "place"]
DAILY = {"port": 0, "lease": False, "interval_minutes": 1440}
OF_THE_MACHINE = {"run_id", "started_at", "written_at", "recorded_at", "settings_digest"}
"""Columns that differ between any two processes."""


def place_of(scene):
    return Layout.of(scene.settings).journal_place


@pytest.fixture
def in_postgres(place, monkeypatch):
    """The profile cluster, in which the process opens its journal by itself; the test reads it there."""
    monkeypatch.setattr(BookScene, "read", lambda scene: Journal.read(place_of(scene)))


def rows_of(where):
    store = connect_store(where)
    found = {}
    with store.begin_reading() as connection:
        for table in (tables.decisions, tables.book_decisions, tables.intents, tables.order_events, tables.fills):
            own = [column for column in table.columns if column.name not in OF_THE_MACHINE]
            found[table.name] = sorted(map(tuple, connection.execute(select(*own)).all()), key=repr)
        found["states"] = [row.state for row in connection.execute(select(tables.states).order_by(tables.states.c.seq))]
    store.close()
    return found


def test_the_same_days_leave_the_same_rows(tmp_path, in_postgres, monkeypatch):
    found = []
    for profile in ("cluster", "embedded"):
        monkeypatch.setenv("PAIRITY_PROFILE", profile)
        with book_scene(tmp_path / profile, serve=DAILY) as scene:
            scene.trade(2, open_journal=partial(Journal.open, scope="same", durable=False))
            check_equal_to_backtest(scene, 2)
            assert isinstance(place_of(scene), Path) == (profile == "embedded") == scene.journal_path.exists()
            found.append(rows_of(place_of(scene)))
    assert len(found[0]["fills"]) > 3
    assert found[0] == found[1]


@pytest.mark.parametrize("kill_at", [40, 61, -70])
def test_a_process_that_is_killed_and_comes_back_sends_nothing_twice(tmp_path, in_postgres, kill_at):
    with book_scene(tmp_path / "home", serve=DAILY) as scene:
        with pytest.raises(Killed):
            scene.trade(2, open_journal=partial(open_mortal, kill_at))
        scene.trade(count_ahead(scene, 2))
        check_equal_to_backtest(scene, 2)


class Restarting(Journal):
    """A journal whose server is restarted after one of its commits, while the process goes on."""

    restart_at = 0
    commits = 0
    restart = staticmethod(lambda: None)

    @contextmanager
    def _begin(self):
        with super()._begin() as connection:
            yield connection
        self.commits += 1
        if self.commits == self.restart_at:
            self.restart()


@pytest.mark.parametrize("restart_at", [45, 75])
def test_a_restart_of_the_server_guards_with_a_reason_and_passes(tmp_path, in_postgres, cluster_folder, restart_at):
    def restart():
        assert stop("postgres", cluster_folder)
        start_again(cluster_folder)

    def open_restarting(path):
        journal = Restarting.open(path)
        journal.restart_at, journal.restart = restart_at, restart
        return journal

    with book_scene(tmp_path / "home", serve=DAILY) as scene:
        scene.trade(2, open_journal=open_restarting)
        check_equal_to_backtest(scene, 2)
        journal = scene.read()
        reasons = [state.reason for state in journal.states.all()]
        journal.close()
    assert any("cannot be used now" in reason for reason in reasons), reasons
