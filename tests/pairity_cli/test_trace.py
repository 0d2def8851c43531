"""`pairity trace` of an order that no decision placed: it leads to the one that did, where there is one."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pairity.layout import Layout
from pairity.settings import Settings
from pairity_cli.main import main
from serving.journal import Journal, Purpose
from tests.serving.journal.intentions import intent
from tests.serving.trading import RUN, decision_of, entry


@pytest.fixture
def trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    journal = Journal.open(Layout.of(Settings(home=tmp_path)).journal, scope="test")
    journal.record_run(RUN)
    decision = decision_of(entry())
    journal.record_decision(decision, [])
    journal.intend(intent(decision_id=decision.decision_id))
    journal.intend(intent(Purpose.PROTECT, client_order_id="pairitys1"))
    journal.intend(intent(Purpose.PROTECT, client_order_id="pairitys2", position_id="adopted"))
    journal.close()
    return lambda order: CliRunner().invoke(main, ["trace", order])


def test_a_stop_that_was_placed_again_leads_to_the_order_that_opened_its_position(trace):
    done = trace("pairitys1")
    assert done.exit_code == 0, done.output
    assert "no decision of its own; the one that opened its position: " in done.output
    assert done.output.strip().endswith("pairity trace pairitye1")


def test_what_was_adopted_has_none(trace):
    assert "no decision: the position was adopted" in trace("pairitys2").output
