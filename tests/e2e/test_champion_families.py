"""Every family that can trade as champion of real processes: trained, promoted, served, traced to the bit."""

from __future__ import annotations

import pytest

from model_registry.registry import find_version
from model_registry.stored_families import STORED_FAMILIES
from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal import Journal
from serving.models.rescoring import rescore
from serving.parity import check_parity
from tests.e2e.running import ASSETS, Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
CYCLES = 6


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One account and one journal; the champion's family changes every few hours while positions go on."""
    # So low that models of frequencies, which seldom say more than a half, trade too; a horizon that leaves room for
    # purged folds inside the training rows; stops and targets so close that each family opens positions of its own.
    changed = {
        "PAIRITY_STRATEGY__PROBABILITY_MIN": "0.02",
        "PAIRITY_LABEL__HORIZON_BARS": "24",
        "PAIRITY_STRATEGY__STOP_BOUNDS": "[0.003, 0.004]",
        "PAIRITY_STRATEGY__TARGET_BOUNDS": "[0.002, 0.003]",
    }
    place = Place(tmp_path_factory.mktemp("families") / "home", changed)

    def run(*arguments):
        done = place.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    with paper_exchange("--seed", "11") as exchange:
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        run("ingest", *options, "--since", "22d")
        versions = {family: str(number) for number, family in enumerate(STORED_FAMILIES, 1)}
        for family, version in versions.items():
            run("train", "--no-compare", "--family", family)
            if version != "1":
                run("promote", version, "--force", "--reason", "a test")
            run("serve", *options, "--cycles", str(CYCLES))
        yield place, versions


@pytest.mark.timeout(1800)
def test_every_family_decides_and_its_probabilities_are_computed_again_to_the_same_float(served):
    place, versions = served
    settings = Settings(home=place.home, universe={"assets": ASSETS})
    journal = Journal.read(Layout.of(settings).journal)
    records = journal.decisions()
    vectors = {record.decision_id: journal.vectors(record.decision_id) for record in records}
    journal.close()
    for family, version in versions.items():
        assert find_version(settings, version).family == family
        own = [record for record in records if record.model_version == version]
        assert len(own) == CYCLES
        said = []
        for record in (own[0], own[-1]):
            scores = {score.pair.pair_id: score.probability for score in record.decision.scores}
            for vector in vectors[record.decision_id]:
                if vector.entity in scores:
                    again = rescore(settings, record, vector).probability
                    assert again == scores[vector.entity] is not None
                    said.append(again)
        assert len(said) == 2 * 6
    assert check_parity(settings).mismatches == ()


def test_an_order_of_every_family_that_traded_leads_back_to_the_same_float(served):
    place, versions = served
    journal = Journal.read(Layout.of(Settings(home=place.home, universe={"assets": ASSETS})).journal)
    decided = {record.decision_id: record.model_version for record in journal.decisions()}
    entries = {}
    for record in (*journal.closed_positions(), *journal.open_positions()):
        for intent in journal.intents(record.position.position_id):
            if str(intent.purpose) == "entry" and intent.decision_id in decided:
                entries[decided[intent.decision_id]] = intent.client_order_id
    journal.close()
    traded = [family for family, version in versions.items() if version in entries]
    assert "zero_forecast" not in traded
    assert {"pair_forest", "pair_boosting", "pair_logistic"} <= set(traded), traded
    for family in traded:
        done = place.run("trace", entries[versions[family]])
        assert done.returncode == 0, done.stderr
        assert "the same float" in done.stdout
        assert "NOT THE SAME" not in done.stdout


def test_the_list_of_versions_says_what_each_is(served):
    place, versions = served
    shown = place.run("models", COLUMNS="250")
    assert shown.returncode == 0, shown.stderr
    assert all(family in shown.stdout for family in versions)
    one = place.run("models", versions["pair_boosting"])
    assert "pair_boosting" in one.stdout
