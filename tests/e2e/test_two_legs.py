"""Two days with two legs and three positions, in real processes: journal and venue end equal, to the cent."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.hedging import compute_hedge_error
from pairity.universe import exact
from serving.journal import Journal, Purpose
from tests.e2e.account_checks import check_cash, check_equal, client_of, read_cash
from tests.e2e.running import Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]
CYCLES = 50
SETTINGS = {
    "PAIRITY_UNIVERSE__ASSETS": json.dumps(["BTC", "ETH", "SOL", "XRP", "ADA", "DOT", "AVAX", "LINK"]),
    "PAIRITY_STRATEGY__LEGS": "both",
    "PAIRITY_STRATEGY__MAX_CONCURRENT_POSITIONS": "3",
    "PAIRITY_STRATEGY__PROBABILITY_MIN": "0.4",
    "PAIRITY_STRATEGY__STOP_BOUNDS": "[0.01, 0.02]",
}


@pytest.mark.parametrize("kindness", [[], ["--unkind"]], ids=["kind", "unkind"])
def test_two_days_of_pairs_end_reconciled(kindness, tmp_path):
    with paper_exchange("--seed", "11", *kindness) as running:
        place = Place(tmp_path / "home", SETTINGS)
        options = ("--exchange-url", running.url, "--control-url", running.control)
        exchange = client_of(running.url)
        before = read_cash(exchange)
        for command in (
            ("ingest", *options, "--since", "22d"),
            ("train", "--no-compare"),
            ("serve", *options, "--cycles", str(CYCLES)),
        ):
            done = place.run(*command)
            assert done.returncode == 0, done.stdout + done.stderr
        journal = Journal.read(Layout.of(Settings(home=place.home)).journal)
        try:
            check_equal(journal, exchange)
            check_sizes(journal)
            check_cash(journal, exchange, read_cash(exchange) - before)
        finally:
            journal.close()


def check_sizes(journal):
    """Every position that was held had both legs, in the ratio of the decision; several were held at once."""
    whole = 0
    most = max(len(record.decision.state.positions) for record in journal.decisions())
    assert most == 3
    for record in journal.decisions():
        for entry in record.decision.entries:
            opened = journal.position(entry.position_id)
            if opened is None or (opened.close is not None and opened.close.exit_reason == "leg_risk"):
                continue
            ratio = next(s.hedge_ratio for s in record.decision.scores if s.pair == entry.pair)
            values = []
            for number, order in enumerate(entry.legs):
                intents = journal.intents(entry.position_id, number, Purpose.ENTRY)
                filled = sum((intent.filled_contracts for intent in intents), Decimal(0))
                assert 0 < filled <= order.contracts * Decimal("1.1")
                values.append(filled / order.contracts)
            assert compute_hedge_error(values[0], values[1], Decimal(1)) <= Decimal("0.11"), (entry, exact(ratio))
            whole += 1
    assert whole >= 5
