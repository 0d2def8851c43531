"""Logic of the page against slow and obvious counterparts: figures, intervals, ages, what is not well."""

from __future__ import annotations

import bisect
import math
import random
import statistics

import pytest
from scipy import stats

from tests.serving.dashboard.browsing import looking

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
FRESH = {"state": "waiting", "now": None, "data": {"fresh": True, "stale_after_s": 60, "age_s": 10}}


@pytest.fixture(scope="module")
def look(browser, _scenario_process):
    _scenario_process.scenario("waiting")
    with looking(browser, _scenario_process) as found:
        yield found


def call(look, module: str, name: str, *arguments: object) -> object:
    script = "async ([module, name, args]) => (await import(`/static/js/${module}.js`))[name](...args)"
    return look.page.evaluate(script, [module, name, list(arguments)])


SIGNED = [
    (1234.5, 2, "+1,234.50"),
    (-1234.5, 2, "−1,234.50"),
    (0.001, 2, "0.00"),
    (-0.001, 2, "0.00"),
    (0.006, 2, "+0.01"),
    (1e9, 0, "+1,000,000,000"),
    (None, 2, "–"),
    ("12", 2, "–"),
]
EXACT = {
    "1000.50": "1,000.50",
    "-0.0000001": "−0.0000001",
    "12345678901234567890.1": "12,345,678,901,234,567,890.1",
    "0": "0",
    "": "–",
}
SPANS = {0: "0 s", 59.9: "59 s", 61: "1 min 1 s", 3599: "59 min", 3600: "1 h 0 min", 90000: "1 d 1 h", -5: "0 s"}


def test_figures_are_written_with_their_sign_and_never_as_a_zero_that_they_are_not(look):
    for value, digits, text in SIGNED:
        assert call(look, "format", "signed", value, digits) == text
    for text, shown in EXACT.items():
        assert call(look, "format", "exact", text) == shown
    for text, number in [("1.5", 1.5), ("", None), (None, None), ("x", None), (2, 2), ("1e3", 1000)]:
        assert call(look, "format", "figure", text) == number
    for seconds, text in SPANS.items():
        assert call(look, "format", "span", seconds) == text
    assert call(look, "format", "span", None) == "–"


def test_tones_are_those_of_what_is_shown(look):
    for value, kind in [(0.004, "flat"), (-0.004, "flat"), (0.005, "up"), (-0.005, "down"), (None, "flat")]:
        assert call(look, "format", "tone", value) == kind


def test_the_interval_of_a_mean_is_students(look):
    dice = random.Random(3)
    for count in (2, 3, 5, 17, 31, 60):
        values = [dice.gauss(1, 9) for _ in range(count)]
        found = call(look, "panels/per-pair", "interval", values)
        mean, error = statistics.fmean(values), statistics.stdev(values) / math.sqrt(count)
        low, high = stats.t.interval(0.95, count - 1, loc=mean, scale=error)
        assert found["mean"] == pytest.approx(mean)
        tolerance = 1e-3 if count <= 31 else 0.025  # beyond the table the normal quantile stands for Student's
        assert (found["low"] - mean) == pytest.approx(low - mean, rel=tolerance)
        assert (found["high"] - mean) == pytest.approx(high - mean, rel=tolerance)
    assert call(look, "panels/per-pair", "interval", [4.0]) == {"total": 4, "mean": 4, "low": None, "high": None}


def test_the_last_row_before_an_instant_is_found_as_by_counting(look):
    dice = random.Random(4)
    for _ in range(30):
        times = sorted(dice.randrange(60) for _ in range(dice.randrange(12)))
        rows = [[f"2026-03-01T00:{minute:02}:00Z", 1] for minute in times]
        at = dice.randrange(-5, 65)
        instant = 1772323200000 + at * 60_000
        assert call(look, "charts/equity", "lastBefore", rows, instant) == bisect.bisect_right(times, at) - 1


def freshness(look, **changes: object) -> object:
    # The page's own answers would set its clock meanwhile: the status is dated by that clock.
    script = """async (status) => {
        const { serverNow } = await import('/static/js/ages.js');
        const { dataFreshness } = await import('/static/js/freshness.js');
        const now = serverNow();
        status.now = new Date(now - (status.answered_s ?? 0) * 1000).toISOString();
        if (status.bar_s !== undefined) status.data.event_timestamp = new Date(now - status.bar_s * 1000).toISOString();
        return dataFreshness(status); }"""
    return look.page.evaluate(script, {**FRESH, **changes})


def test_data_grows_stale_by_itself(look):
    assert freshness(look) == "fresh"
    assert freshness(look, answered_s=49) == "fresh"
    assert freshness(look, answered_s=51) == "stale"  # what was 10 s old then is 61 s old now
    assert freshness(look, bar_s=61) == "stale"
    assert freshness(look, data={"fresh": False}) == "stale"
    assert freshness(look, data={"fresh": None}) == "unknown"
    assert freshness(look, state="starting") == "starting"
    assert call(look, "freshness", "dataFreshness", None) == "unknown"


def test_what_many_assets_have_in_common_is_said_once(look):
    for problems, said in [
        ([], []),
        (["the disk is full"], ["the disk is full"]),
        (["BTC: no bars", "ETH: no bars", "SOL: late"], ["BTC, ETH: no bars", "SOL: late"]),
        (["BTC: a: b", "1INCH: a: b", "a: b"], ["BTC, 1INCH: a: b", "a: b"][:1]),
        (["venue: away", "venue: away"], ["venue: away"]),
    ]:
        assert call(look, "verdict", "together", problems) == said


def test_how_old_the_data_is_in_words(look):
    now = "2026-03-01T00:00:00Z"
    for data, words in [
        ({"event_timestamp": None, "age_s": None, "stale_after_s": 60}, "Nothing was decided since the start"),
        ({"event_timestamp": now, "age_s": 1e9, "stale_after_s": 60}, "The data is "),
    ]:
        assert call(look, "verdict", "howOld", {"now": now, "data": data}).startswith(words)


def test_amounts_lose_only_zeros_that_say_nothing(look):
    for text, shown in [
        ("6600.0", "6,600"),
        ("2.60", "2.6"),
        ("100", "100"),
        ("0.0125", "0.0125"),
        ("1000.00", "1,000"),
    ]:
        assert call(look, "format", "amount", text) == shown
    assert call(look, "format", "amount", None) == "–"


def test_reasons_have_kinds_and_symbols(look):
    for reason, kind in [
        (None, "candidate"),
        ("|z| not above 1.0", "threshold"),
        ("probability not above 0.55", "probability"),
        ("hedge ratio unknown", "data"),
        ("no price known for XRP", "data"),
        ("hedge ratio -0.2 not positive", "relation"),
        ("funding of XRP unknown", "data"),
        ("funding of XRP 0.001 above 0.0003 for a long", "funding"),
        ("|correlation| of ADA with held XRP 0.91 above 0.8", "relation"),
        ("XRP already held by p1", "held"),
        ("no whole lots within 5% of the hedge ratio", "size"),
        ("something never heard of", "other"),
    ]:
        assert call(look, "panels/reasons", "kindOf", reason)["key"] == kind
