"""What is said of a model's threshold, and what has one."""

import pytest

from pairity.settings import ModelSettings, Settings, StrategySettings
from training.evaluation.cost_threshold import CLOSED, CostThreshold
from training.models.families import FAMILIES
from training.models.thresholds import describe_threshold, has_own_threshold, note_threshold, summarise_threshold

PLAIN = StrategySettings()
OWN = CostThreshold(value=0.5632, margin=0.002, win=0.021, loss=-0.018, candidates=1000, passing=120)
SHUT = CostThreshold(
    value=CLOSED, margin=None, win=None, loss=None, candidates=40, passing=0, note="3 of 40 candidates have the label 1"
)


def test_frequencies_have_a_threshold_and_votes_and_rules_have_the_reference_s():
    own = {name for name, family in FAMILIES.items() if has_own_threshold(family, Settings())}
    assert own == {"pair_forest_calibrated", "pair_boosting", "pair_logistic"}
    calibrated = Settings(model=ModelSettings(calibration="sigmoid"))
    assert has_own_threshold(FAMILIES["pair_forest"], calibrated)
    assert not has_own_threshold(FAMILIES["btc_eth_baseline"], calibrated)


@pytest.mark.parametrize(
    ("threshold", "strategy", "words"),
    [
        (None, PLAIN, ["above a probability of 0.5 (the reference's)", "no own threshold"]),
        (None, StrategySettings(probability_min=0.7), ["0.7 (strategy.probability_min)"]),
        (
            OWN,
            PLAIN,
            [
                "above a probability of 0.5632:",
                "+2.10%",
                "-1.80%",
                "margin 20 bps",
                "of 1,000 candidates of the training rows 120 pass",
            ],
        ),
        (OWN, StrategySettings(probability_min=0.4), ["of 0.4: strategy.probability_min overrides", "of 0.5632"]),
        (SHUT, PLAIN, ["NOTHING IS TRADED", "3 of 40 candidates"]),
    ],
)
def test_it_says_above_what_why_and_what_overrides_it(threshold, strategy, words):
    text = describe_threshold(threshold, strategy)
    for said in words:
        assert said in text
    assert note_threshold(threshold, strategy) == ([] if threshold is None else [text])


def test_the_measures_of_a_run():
    assert summarise_threshold(None) == {}
    assert summarise_threshold(OWN)["threshold"] == 0.5632
    assert summarise_threshold(SHUT)["threshold"] == CLOSED
    assert set(summarise_threshold(SHUT)) == set(summarise_threshold(OWN))
