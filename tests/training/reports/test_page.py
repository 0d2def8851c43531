"""The page about a run: the verdict says what the statistics say, nothing is NaN, and it stays small and the same."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import polars as pl
import pytest

from pairity.measures import MEASURES
from tests.house.source_tree import ROOT
from tests.training.evaluation.curves import noise
from tests.training.reports.made_runs import FAILED, compare, make_line, make_run, make_trades
from training.backtest import performance
from training.reports.page import render_page
from training.reports.tear_sheet import write_title

HOURS = 24 * 60


def text_of(page: str) -> str:
    """What a reader reads: no tags, blanks joined."""
    body = re.sub(r"<(style|title)>.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def verdict_of(page: str) -> str:
    return text_of(page[page.index('id="verdict"') : page.index("<h2>Result")])


@pytest.fixture(scope="module")
def page():
    return render_page(compare(3, 60, 40))


def line(key, low, high, net=0.5, **more):
    return make_line(
        key, noise(HOURS), make_trades(20, HOURS), sharpe_low=low, sharpe_high=high, net_return=net, **more
    )


@pytest.mark.parametrize("net", [0.9, -0.9])
def test_an_interval_over_zero_is_not_distinguishable_whatever_the_sign(net):
    said = verdict_of(render_page(make_run([line("wide", -1.0, 4.0, net)])))
    assert "Not distinguishable from zero: wide." in said
    assert "earned" not in said


def test_each_line_is_named_under_what_its_interval_says():
    lines = [line("good", 0.2, 4.0), line("wide", -1.0, 4.0), line("poor", -4.0, -0.5), line("btc", 1.0, 2.0)]
    lines.append(make_line("idle", np.zeros(HOURS), make_trades(0, HOURS), sharpe_low=None, sharpe_high=None))
    said = verdict_of(render_page(make_run(lines)))
    for sentence in (
        "Above zero: good.",
        "Not distinguishable from zero: wide.",
        "Below zero: poor.",
        "Did not trade: idle.",
        "Probability of backtest overfitting: 14%.",
        "Trials counted: 9, worth 7.6 independent ones.",
    ):
        assert sentence in said


def test_the_gate_stands_on_top_with_what_failed():
    run = make_run([line("model", 0.2, 4.0)], gate=FAILED, version="3")
    page = render_page(run)
    assert verdict_of(page).index("✗ The gate FAILED version 3: deflated_sharpe.") < verdict_of(page).index(
        "Above zero"
    )
    assert "0.646 over 2 trials" in text_of(page)
    passed = replace(run, gate=type(FAILED)(FAILED.checks[:1]))
    assert "✓ The gate passed version 3." in verdict_of(render_page(passed))
    assert "The gate was not asked: this run registered no model" in verdict_of(
        render_page(replace(run, gate=None, version=None))
    )


def test_what_was_not_stored_is_said():
    said = verdict_of(render_page(make_run([line("model", 0.2, 4.0)], metrics={})))
    assert "Probability of backtest overfitting: not known" in said
    assert "Trials: not stored with this run." in said
    older = make_run([line("model", 0.2, 4.0)], metrics={}, params={"trials": "13", "effective_trials": "5.250"})
    assert "Trials counted: 13, worth 5.2 independent ones." in verdict_of(render_page(older))


def test_nothing_is_annualised_from_a_short_span():
    hours = 24 * 29
    short = make_line("model", noise(hours), make_trades(10, hours), sharpe=5.55, sharpe_low=1.11, sharpe_high=9.99)
    page = text_of(render_page(make_run([short])))
    assert "Too short a span to say: what model is." in page
    assert "Nothing is annualised: 29 days are too few, 30 are needed." in page
    assert not {"5.55", "1.11", "9.99"} & set(page.split())
    assert page.count("30 days are needed, 29 are there") >= 5
    assert "a window has 30 days, and 29 are there" in page


SHAPES = {
    "empty": [],
    "one hour": [0.01],
    "constant": np.zeros(HOURS),
    "losing": np.full(HOURS, -0.001),
    "ruined": np.r_[noise(HOURS - 1), -1.0],
    "short": noise(30),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("trades", [0, 1, 30])
def test_what_is_missing_is_said_and_never_nan(shape, trades):
    returns = SHAPES[shape]
    if len(returns) == 0 and trades:
        return
    run = make_run([make_line("model", returns, make_trades(trades, len(returns)), sharpe_low=None, sharpe_high=None)])
    page = text_of(render_page(run))
    assert not re.search(r"\bnan\b|\bNaN\b|\bNone\b|\binf\b", page)
    assert "Not shown:" in page or "Nothing to show:" in page
    if not trades:
        assert "no trade was closed" in page


def test_every_part_of_a_tear_sheet_is_there(page):
    said = text_of(page)
    for title in (
        *("Rolling Sharpe over 30 days", "Rolling volatility over 30 days", "Rolling beta to holding the coin"),
        *(
            "Months and years",
            "Deepest drawdowns",
            "Returns of days",
            "Exposure, mean of each day",
            "Turnover by month",
        ),
        *("Costs", "share of gross profit", "How positions ended", "Long and short legs", "Pairs"),
        *("Calibration, candidates only", "Scores, candidates only", "entered above 0.5", "Net return by test period"),
        *("value at risk, 95%:", "expected shortfall, 95%:", "what was paid:"),
    ):
        assert title in said, title
    for key in ("sortino", "calmar", "volatility", "value_at_risk", "expected_shortfall", "skew", "kurtosis", "beta"):
        assert MEASURES[key].title in said, key


def test_tables_of_all_rows_are_not_drawn():
    table = pl.DataFrame({"bin": [1], "rows": [9], "mean_probability": [0.15], "observed": [0.0]})
    page = text_of(render_page(make_run([line("model", 0.2, 4.0)], tables={"calibration": table})))
    assert "Calibration, candidates only Not shown: its table counts rows whose label is 0 by definition" in page


def test_figures_have_units_on_both_axes(page):
    charts = re.findall(r'<figure class="chart.*?</figure>', page, re.DOTALL)
    drawn = [chart for chart in charts if "Not shown" not in chart]
    assert len(drawn) > 20
    for chart in drawn:
        for side in ("x-title", "y-title"):
            (title,) = re.findall(rf'class="{side}">([^<]+)<', chart)
            assert title.strip(), chart[:200]


def test_one_line_is_chosen_and_every_line_can_be(page):
    assert page.count('type="radio"') == 4
    assert page.count(" checked>") == 1
    for number in range(4):
        assert f'id="sheet-{number}"' in page
        assert f"body:has(#pick-{number}:checked) #sheet-{number}" in page


def test_the_page_runs_and_loads_nothing(page):
    assert "<script" not in page
    assert not re.search(r"""(src|href|action)\s*=|url\(|@import|https?:""", page)
    assert "default-src 'none'" in unescape(page)


def test_the_same_run_gives_the_same_bytes():
    assert render_page(compare(2, 45, 30)) == render_page(compare(2, 45, 30))


@pytest.mark.slow
def test_two_years_of_twenty_families_weigh_less_than_a_megabyte_and_a_half():
    page = render_page(compare(20, 730, 1500))
    assert len(page.encode()) < 1_500_000


def test_names_are_the_same_in_glossary_metrics_and_page(page):
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    terms = {line.split("|")[1].strip() for line in glossary.splitlines() if line.startswith("| ")}
    missing = [write_title(key) for key in MEASURES if write_title(key) not in terms]
    assert missing == []
    shown = set(performance.KEYS) - {"sharpe_probability", "unfilled_entries", "funding_unknown_hours"}
    assert shown <= set(MEASURES)


def test_the_start_of_a_ruined_account_is_found():
    for trades in (30, 0):
        line = make_line("model", SHAPES["ruined"], make_trades(trades, HOURS))
        assert line.metrics["net_return"] == -1.0
        assert line.initial_equity == pytest.approx(1000.0, rel=1e-2)
