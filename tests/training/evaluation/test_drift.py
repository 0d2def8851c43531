import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.errors import DataError
from tests.training.generated import HOUR, START
from training.evaluation.drift import (
    compute_stability_index,
    estimate_stability_limit,
    make_bins,
    measure_score_drift,
    tabulate_drift,
)

NAN = float("nan")


def by_hand(reference, current, bins=10):
    """Bin by bin in plain Python: each value is put into a named bin."""
    present = sorted(v for v in reference if not math.isnan(v))
    edges = sorted(
        {present[max(math.ceil(i * len(present) / bins) - 1, 0)] for i in range(bins + 1)} if present else []
    )
    shared = {e for e in edges if len(edges) == 1 or (present.count(e) > 1 and present.count(e) >= len(present) / bins)}

    def name(value):
        if math.isnan(value):
            return "nothing"
        if not edges:
            return "something"
        if value in shared:
            return ("at", value)
        if value < edges[0] or value > edges[-1]:
            return "below" if value < edges[0] else "above"
        return ("up to", min(e for e in edges if e >= value and e > edges[0]))

    counts = [{}, {}]
    for side, values in zip(counts, (reference, current), strict=True):
        for value in values:
            side[name(value)] = side.get(name(value), 0) + 1
    total = 0.0
    for key in counts[0].keys() | counts[1].keys():
        p, q = (
            max(side.get(key, 0), 0.5) / len(values) for side, values in zip(counts, (reference, current), strict=True)
        )
        total += (q - p) * math.log(q / p)
    return total


VALUES = st.lists(st.floats(-5, 5) | st.sampled_from([0.0, 1.0, NAN]), min_size=1, max_size=60)


@settings(deadline=None, max_examples=150)
@given(VALUES, VALUES)
def test_equals_counting_by_hand(reference, current):
    found = compute_stability_index(np.array(reference), np.array(current))
    assert found == pytest.approx(by_hand(reference, current), abs=1e-9)
    assert found >= 0.0


def test_the_same_population_is_stable_and_another_is_not():
    rng = np.random.default_rng(0)
    assert compute_stability_index(rng.normal(size=5000), rng.normal(size=5000)) < 0.02
    assert compute_stability_index(rng.normal(size=5000), rng.normal(1.0, 1.0, size=5000)) > 0.25


def spread(count, low=1.0, high=2.0):
    return np.linspace(low, high, count)


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        (np.ones(500), np.zeros(500)),  # a constant that moves down
        (np.ones(500), np.full(500, 2.0)),  # and up
        (np.repeat([1.0, 2.0], 250), np.repeat([1.0, 1.5], 250)),  # between two values that never had anything between
        (np.concatenate([np.zeros(250), spread(250)]), np.concatenate([np.full(250, -1.0), spread(250)])),
        (np.concatenate([np.zeros(250), spread(250)]), np.concatenate([np.full(250, 0.5), spread(250)])),
        (np.concatenate([spread(250), np.full(250, 3.0)]), np.concatenate([spread(250), np.full(250, 9.0)])),
        (spread(500), np.concatenate([np.full(50, -40.0), spread(450, 1.1)])),  # the lowest tenth, far below
        (spread(500), np.concatenate([spread(450, 1.0, 1.9), np.full(50, 40.0)])),  # the highest, far above
    ],
)
def test_a_shift_beside_the_edges_is_seen(reference, current):
    """With quantiles as the only edges most of these read 0: the lowest bin held all that is low."""
    assert compute_stability_index(reference, current) > 0.25
    # and what only moves inside the bins of a spread population is not
    assert compute_stability_index(reference, reference[::-1]) == 0.0


def test_values_that_stop_coming_are_drift():
    values = np.random.default_rng(0).normal(size=1000)
    assert compute_stability_index(values, np.where(np.arange(1000) % 2, values, NAN)) > 0.25
    assert compute_stability_index(np.full(100, NAN), np.ones(100)) > 0.25
    assert compute_stability_index(np.full(100, NAN), np.full(30, NAN)) == 0.0


def test_empty_and_constant_and_infinite():
    assert compute_stability_index(np.empty(0), np.ones(3)) is None
    assert compute_stability_index(np.ones(3), np.empty(0)) is None
    assert compute_stability_index(np.ones(3), np.ones(5)) == 0.0
    with pytest.raises(DataError, match="infinite"):
        compute_stability_index(np.array([1.0, np.inf]), np.ones(2))


def walk(rng, hours, memory):
    """A stationary series that forgets by the factor `memory` an hour."""
    values, now = np.empty(hours), rng.normal()
    for hour in range(hours):
        now = memory * now + math.sqrt(1 - memory**2) * rng.normal()
        values[hour] = now
    return values


@pytest.mark.parametrize("memory", [0.0, 0.98])
def test_the_limit_is_passed_about_once_in_twenty_by_the_same_population(memory):
    """A limit of 0.25 would call half of all slow features another population, and hardly ever a fast one."""
    rng = np.random.default_rng(3)
    beyond, fixed = 0, 0
    for _ in range(40):
        series = walk(rng, 2200, memory)
        reference, current = series[:1700], series[1700:]
        limit = estimate_stability_limit(reference, np.arange(1700), 500, seed=1)
        found = compute_stability_index(reference, current)
        beyond += found > limit
        fixed += found > 0.25
    assert beyond <= 8
    assert (fixed > beyond) if memory else (fixed == 0)


def test_what_remembers_for_weeks_is_held_against_stretches_of_its_own_past():
    """Blocks of a week forget what a regime is: with them alone more than a third of all worlds were refused."""
    rng = np.random.default_rng(6)
    beyond = sum(
        compute_stability_index(series[:3000], series[3000:])
        > estimate_stability_limit(series[:3000], np.arange(3000), 1000, seed=1)
        for series in (walk(rng, 4000, 0.995) for _ in range(40))
    )
    assert beyond <= 8


def compute_index_by_hand(reference: list[int], current: list[int]) -> float:
    """The index of two lists of places, one place after the other."""
    total = 0.0
    for place in sorted({*reference, *current}):
        p, q = (max(side.count(place), 0.5) / len(side) for side in (reference, current))
        total += (q - p) * math.log(q / p)
    return total


@pytest.mark.parametrize(("hours", "wanted"), [(300, 50), (300, 100), (300, 299), (301, 40), (60, 7)])
def test_the_limit_is_at_least_that_of_unbroken_stretches(hours, wanted):
    """A population with one strange stretch: no block of hours drawn by chance is as strange as it."""
    values = walk(np.random.default_rng(8), hours, 0.5)
    values[hours // 2 : hours // 2 + 20] += 30.0
    stretch = min(wanted, hours // 3)
    place = make_bins(values).place(values).tolist()
    found = sorted(
        compute_index_by_hand(place[:start] + place[start + stretch :], place[start : start + stretch])
        for start in range(0, hours - stretch + 1, max(stretch // 2, 1))
    )
    nearest = found[math.ceil(0.95 * (len(found) - 1))]
    limit = estimate_stability_limit(values, np.arange(hours), wanted, seed=1)
    assert limit >= nearest - 1e-12
    assert limit == pytest.approx(nearest) or limit > nearest


def test_a_fold_of_which_nothing_is_said_is_no_population_of_its_own():
    times = [START + hour * HOUR for hour in range(300)]
    scores = walk(np.random.default_rng(9), 300, 0.3)
    rows = pl.DataFrame({"event_timestamp": times})
    scored = rows.with_columns(probability=pl.Series(scores))
    whole = measure_score_drift((rows, scores), scored, seed=1)
    assert whole.psi == 0.0
    partly = np.where(np.arange(300) < 100, np.nan, scores)
    drift = measure_score_drift((rows, partly), scored, seed=1)
    assert drift == measure_score_drift((rows[100:], scores[100:]), scored, seed=1)
    nothing = measure_score_drift((rows, np.full(300, np.nan)), scored, seed=1)
    assert (nothing.psi, nothing.limit, nothing.beyond) == (None, None, None)


def test_a_shift_of_a_population_passes_its_limit():
    rng = np.random.default_rng(4)
    for memory in (0.0, 0.9):
        series = walk(rng, 2200, memory)
        limit = estimate_stability_limit(series[:1700], np.arange(1700), 500, seed=1)
        assert compute_stability_index(series[:1700], series[1700:] + 1.5) > limit


def test_pairs_of_one_hour_are_not_counted_as_independent_rows():
    """Forty copies of one series say no more than the series: the limit is the same."""
    series = walk(np.random.default_rng(5), 900, 0.9)
    alone = estimate_stability_limit(series, np.arange(900), 300, seed=1)
    copies = estimate_stability_limit(np.repeat(series, 40), np.repeat(np.arange(900), 40), 300, seed=1)
    assert copies == pytest.approx(alone, rel=0.05)


def test_a_short_history_has_no_limit():
    assert estimate_stability_limit(np.empty(0), np.empty(0, dtype=np.int64), 10, seed=1) is None
    assert estimate_stability_limit(np.ones(47), np.arange(47), 10, seed=1) is None
    assert estimate_stability_limit(np.ones(48), np.arange(48), 10, seed=1) == 0.0
    assert estimate_stability_limit(np.ones(3), np.array([0, 1, 999]), 10, seed=1) == 0.0  # mostly hours without rows


def test_a_table_names_the_most_drifted_first_with_its_limit():
    times = [START + hour * HOUR for hour in range(90)]
    then = pl.DataFrame(
        {"event_timestamp": times, "a": [1.0, 2.0, 3.0] * 30, "b": [1.0, 2.0, 3.0] * 30, "asset": ["BTC"] * 90}
    )
    now = then.with_columns(pl.col("b") + 2.0)
    table = tabulate_drift(then, now, ["a", "b", "asset"], seed=1)
    assert table["feature"].to_list() == ["b", "a"]
    assert table["psi"][1] == 0.0
    assert table.row(0, named=True)["median"] == 4.0
    assert table["beyond"].to_list() == [True, False]
    assert table.equals(tabulate_drift(then, now, ["a", "b", "asset"], seed=1))
