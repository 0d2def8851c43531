"""Tables on the way of an order: what a decision without an order, or without a collection, leaves out."""

from __future__ import annotations

import gc

import pytest

from benchmarks.serving_measured import Measured
from benchmarks.serving_meters import ALL, HELD, ORDERS, Meter
from benchmarks.serving_path import compare_growth, list_to_order, report_growth, report_path


def measured(assets, cpu_s, to_order=None, collections=()):
    decision = {"steps": {ALL: (cpu_s, cpu_s)}, "counts": {}, "to_order": to_order, "collections": collections}
    return Measured(
        title=f"{assets} assets",
        assets=assets,
        decisions=[decision],
        first_cpu_s=1.0,
        peer=[],
        peak_mb=1.0,
        missing=[],
        results={},
        looks=[],
        prepared_s=1.0,
        traded_s=1.0,
    )


def test_growth_is_compared_with_that_of_pairs():
    few, many = measured(10, 0.2), measured(100, 2.2)
    assert compare_growth(few, few) == (1.0, 1.0)
    cost, pairs = compare_growth(many, few)
    assert (cost, pairs) == (pytest.approx(11.0), 110.0)
    assert report_growth([few, many])[-2] == "| 100 | 4,950 | 2,200 | 444 | 11.00 | 110.00 | 0.100 |"


def test_a_decision_without_an_order_has_no_way_to_it():
    runs = [measured(10, 0.2), measured(25, 0.2, to_order=(0.1, 0.3), collections=[(2, 0.05), (0, 0.01)])]
    assert [list_to_order(run, 1) for run in runs] == [[], [0.3]]
    rows = {line.split(" | ")[0]: line for line in report_path(runs)}
    assert rows["| to the first order, wall"].endswith("| – | 300.0 / 300.0 |")
    assert rows["| garbage collector, per decision"].endswith("| 0.0 / 0.0 | 60.0 / 60.0 |")
    assert rows["| its full runs, each"].endswith("| – | 50.0 / 50.0 |")
    assert rows["| decisions with an order"].endswith("| 0 of 1 | 1 of 1 |")


def test_the_first_order_counts_and_looks_inside_a_decision_do_not():
    meter = Meter()
    gc.callbacks.append(meter.hear_collector)
    try:
        gc.collect()
        with meter.order(), meter.look():
            pass
        with meter.decision():
            gc.collect()
            with meter.order(), meter.look():
                pass
            first = meter.decisions, meter._now.to_order
            with meter.order():
                pass
            meter.count(HELD, 3)
    finally:
        gc.callbacks.remove(meter.hear_collector)
    decision = meter.decisions[0]
    assert decision.to_order is first[1]
    assert decision.counts == {ORDERS: 2, HELD: 3}
    assert len(meter.looks) == 1
    assert [generation for generation, _ in decision.collections if generation == 2] == [2]
