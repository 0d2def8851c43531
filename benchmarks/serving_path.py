"""Tables on the way of an order, on looks of the watch and the garbage collector, and on growth with pairs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.serving_measured import Measured
from benchmarks.serving_meters import ALL

_FULL = 2
"""Generation of the garbage collector's full runs."""


def report_growth(runs: Sequence[Measured]) -> list[str]:
    """Return how the processor's time of a decision grows with the number of pairs; the first run is the measure."""
    lines = [
        "## Growth with pairs",
        "",
        "Medians of the processor's time. Growth is no worse than linear where the last column is not above 1.",
        "",
        "| assets | pairs | ms per decision | µs per pair | times the cost | times the pairs | cost / pairs |",
        "| ---: " * 7 + "|",
    ]
    first = runs[0]
    for run in runs:
        cost_s = statistics.median(run.list_seconds(ALL, 0))
        cost, pairs = compare_growth(run, first)
        lines.append(
            f"| {run.assets} | {run.pairs:,} | {cost_s * 1e3:,.0f} | {cost_s / run.pairs * 1e6:,.0f} | {cost:.2f} | "
            f"{pairs:.2f} | {cost / pairs:.3f} |"
        )
    return [*lines, ""]


def compare_growth(run: Measured, first: Measured) -> tuple[float, float]:
    """Return how many times the median cost of a decision of `first` `run` has, and how many times its pairs."""
    own, before = (statistics.median(measured.list_seconds(ALL, 0)) for measured in (run, first))
    return own / before, run.pairs / first.pairs


def report_path(runs: Sequence[Measured]) -> list[str]:
    """Return what passes until the first order of a decision, what looks take, and what the garbage collector does."""
    lines = [
        "## From the bar to the order",
        "",
        "Milliseconds, median / most. A decision begins when its bar is there; its way ends when the request of its "
        "first order begins. The garbage collector's runs are part of every time above and below, on the wall's clock.",
        "",
        f"| what | {' | '.join(run.title for run in runs)} |",
        "| --- |" + " ---: |" * len(runs),
    ]
    for name, clock in (("processor", 0), ("wall", 1)):
        lines += [
            _row(f"to the first order, {name}", runs, partial(list_to_order, clock=clock)),
            _row(f"a look between decisions, {name}", runs, partial(_list_looks, clock=clock)),
        ]
    lines += [
        _row("garbage collector, per decision", runs, _list_collected),
        _row("its full runs, each", runs, _list_full),
    ]
    counted = " | ".join(f"{len(list_to_order(run, 0))} of {len(run.decisions)}" for run in runs)
    return [*lines, f"| decisions with an order | {counted} |", ""]


def list_to_order(run: Measured, clock: int) -> list[float]:
    """Return the seconds to the first order of each decision that sent one; `clock` as in `Measured.list_seconds`."""
    return [item["to_order"][clock] for item in run.decisions if item["to_order"] is not None]


def _list_looks(run: Measured, clock: int) -> list[float]:
    return [look[clock] for look in run.looks]


def _list_collected(run: Measured) -> list[float]:
    return [sum(seconds for _, seconds in item["collections"]) for item in run.decisions]


def _list_full(run: Measured) -> list[float]:
    return [seconds for item in run.decisions for generation, seconds in item["collections"] if generation == _FULL]


def _row(name: str, runs: Sequence[Measured], values: Callable[[Measured], list[float]]) -> str:
    cells = [_median_and_most(values(run)) for run in runs]
    return f"| {name} | {' | '.join(cells)} |"


def _median_and_most(seconds: Sequence[float]) -> str:
    """Return both in milliseconds; a dash where there are none.

    >>> _median_and_most([0.002, 0.004, 0.1])
    '4.0 / 100.0'
    """
    if not seconds:
        return "–"
    return f"{statistics.median(seconds) * 1e3:,.1f} / {max(seconds) * 1e3:,.1f}"
