"""A run keeps the statistics of its tear sheet, under the keys by which its page calls them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pairity.measures import MEASURES
from tests.training.evaluation.curves import curve, noise
from training.evaluation.line_statistics import list_statistics, measure_line
from training.evaluation.tear_sheet import compute_returns, measure_tear_sheet
from training.reports.tear_sheet import write_title

HOURS = 24 * 50


def line(key, returns):
    return SimpleNamespace(key=key, result=SimpleNamespace(equity=curve(returns), initial_equity=1000.0))


def test_every_line_has_the_statistics_of_the_page_under_its_keys():
    own, coin = noise(HOURS), noise(HOURS, seed=8)
    found = list_statistics([line("model", own), line("btc", coin)])
    assert found["model"].keys() == found["btc"].keys() <= MEASURES.keys()
    holding = compute_returns(curve(coin), 1000.0)
    for name, statistic in measure_tear_sheet(curve(own), 1000.0, holding).items():
        assert found["model"][name] == statistic.value
    assert found["btc"]["beta"] == pytest.approx(1.0)


def test_the_extremes_of_beta_are_those_of_its_windows():
    own, coin = noise(HOURS), noise(HOURS, seed=8)
    ends = range(HOURS, 719, -24)
    betas = [
        np.cov(own[end - 720 : end], coin[end - 720 : end])[0, 1] / coin[end - 720 : end].var(ddof=1) for end in ends
    ]
    found = list_statistics([line("model", own), line("btc", coin)])["model"]
    assert found["beta_lowest"] == pytest.approx(min(betas))
    assert found["beta_highest"] == pytest.approx(max(betas))
    assert write_title("beta_lowest") == "beta of 30 days, lowest"


@pytest.mark.parametrize(("hours", "holds", "lacks"), [(240, True, "30 days"), (HOURS, False, "no line that holds")])
def test_what_is_not_defined_says_what_it_lacks(hours, holds, lacks):
    found = measure_line(curve(noise(hours)), 1000.0, noise(hours, seed=8) if holds else None)
    assert found["beta_lowest"].value is None
    assert lacks in found["beta_lowest"].lacks
