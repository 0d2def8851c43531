"""Trading with the journal in PostgreSQL: the rows of a file; killed, or cut off from it, nothing twice or lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest

from pairity.settings import StrategySettings
from pairity_cli.demo.exchange import running_exchange
from serving.journal.copying import digest_journal
from serving.journal.opened import connect_store
from tests.cluster.journal_places import home, place
from tests.cluster.test_journal_writer import HOLDS, end_sessions
from tests.cluster.test_restarts import start_again
from tests.serving.killed_trader import Trader, process
from tests.serving.pair_replay import make_history, trade_replay
from tests.serving.test_kill import ENTRY_STEPS, EXIT_STEPS, assert_equal
from tools.local_cluster.processes import stop

pytestmark = pytest.mark.cluster
__all__ = ["home", "place"]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    with running_exchange("synthetic", None, 7, tmp_path_factory.mktemp("exchange") / "log") as running:
        yield running


def test_the_same_trading_leaves_the_same_rows(place, tmp_path):
    history, scores = make_history(3, 60)
    digests = []
    for where in (tmp_path / "journal.db", place):
        replay = asyncio.run(trade_replay(history, scores, StrategySettings(), where))
        assert len(replay.journal.closed_positions()) > 3
        replay.journal.close()
        store = connect_store(where)
        with store.begin_reading() as connection:
            digests.append(digest_journal(connection))
        store.close()
    assert digests[0] == digests[1]
    assert digests[0].rows > 100


@pytest.mark.parametrize("step", [*ENTRY_STEPS[1::3], *EXIT_STEPS[1::3]])
def test_killed_at_a_step(step, exchange, place):
    trader = Trader(exchange.url, place, reference_off=1.005)
    assert process(trader, until_exit=True, kill_at=step) == -signal.SIGKILL
    assert process(trader, until_exit=True, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=False)


class Interrupted(Trader):
    """A trader whose database is gone from a step on; it ends with the error, as a process does that cannot write."""

    def interrupt(self, step, how):
        real, done = os.kill, []

        def instead(pid, number):
            # What the trader calls at its step, in the child
            if number == signal.SIGKILL and pid == os.getpid() and not done:
                done.append(step)
                return how()
            return real(pid, number)

        os.kill = instead
        try:
            return process(self, until_exit=True, kill_at=step)
        finally:
            os.kill = real


@pytest.mark.parametrize("step", ["entry: intended", "entry: after the wire", "exit: acknowledged"])
def test_postgresql_is_restarted_in_the_middle(step, exchange, place, cluster_folder):
    def restart():
        assert stop("postgres", cluster_folder)
        start_again(cluster_folder)

    trader = Interrupted(exchange.url, place, reference_off=1.005)
    assert trader.interrupt(step, restart) == 1, "the journal cannot be written: the step ends with an error"
    assert process(trader, until_exit=True, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=False)


def test_a_lock_that_is_lost_in_the_middle_is_taken_again(exchange, place):
    trader = Interrupted(exchange.url, place)
    done = trader.interrupt("entry: after the wire", lambda: end_sessions(place, HOLDS))
    assert done == 0
    assert_equal(exchange, trader, is_open=False)


def test_a_trader_is_refused_while_another_one_trades(exchange, place):
    from serving.journal import Journal

    with contextlib.closing(Journal.open(place)):
        assert process(Trader(exchange.url, place), until_exit=True, kill_at=None) == 1
