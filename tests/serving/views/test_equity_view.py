"""The equity curve: few points, and nothing that happened is lost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.journal import StateRecord, TradingState
from serving.views.equity import MOST_POINTS, view_equity
from tests.serving.trading import T0


def write(scene, values, step_s=300):
    peak, journal = Decimal(0), scene.journal
    with journal._begin() as connection:
        connection.exec_driver_sql("DELETE FROM equity_marks")
    rows = []
    for number, value in enumerate(values):
        peak = max(peak, Decimal(value))
        rows.append((T0 + timedelta(seconds=step_s * number), Decimal(value), peak))
    from serving.journal import tables
    from serving.journal.codec import time_to_text

    with journal._begin() as connection:
        connection.execute(
            tables.equity_marks.insert(),
            [
                {"at": time_to_text(at), "equity_usdt": str(value), "paid_in_usdt": "0", "peak_usdt": str(top)}
                for at, value, top in rows
            ],
        )
    return rows


def test_few_marks_are_all_there_with_their_drawdown(scene):
    rows = write(scene, [100, 110, 99, 121])
    with scene.inputs() as seen:
        points = view_equity(seen, "all").points
    assert [(at, equity) for at, equity, _ in points] == [(at, float(value)) for at, value, _ in rows]
    assert [fall for _, _, fall in points] == pytest.approx([0.0, 0.0, 0.1, 0.0])


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(MOST_POINTS + 1, 9000), st.integers(0, 2**32 - 1))
def test_many_marks_are_thinned_and_every_extreme_is_kept(scene, count, seed):
    import random

    draw = random.Random(seed)
    values, value = [], 10_000
    for _ in range(count):
        value = max(1, value + draw.randint(-50, 50) + (draw.random() < 0.001) * draw.choice([-2000, 2000]))
        values.append(value)
    rows = write(scene, values)
    with scene.inputs() as seen:
        points = view_equity(seen, "all").points
    # The slow way: all marks.
    assert len(points) <= MOST_POINTS
    assert {(at, equity) for at, equity, _ in points} <= {(at, float(value)) for at, value, _ in rows}
    assert [at for at, *_ in points] == sorted({at for at, *_ in points})
    assert (points[0][0], points[-1][0]) == (rows[0][0], rows[-1][0])
    assert min(equity for _, equity, _ in points) == min(values)
    assert max(equity for _, equity, _ in points) == max(values)
    width = (rows[-1][0] - rows[0][0]) / 50
    for part in range(50):
        since, until = rows[0][0] + part * width, rows[0][0] + (part + 1) * width
        inside = [value for at, value, _ in rows if since <= at < until]
        shown = [equity for at, equity, _ in points if since - width / 5 <= at < until + width / 5]
        assert min(shown) <= float(min(inside))
        assert max(shown) >= float(max(inside))


def test_a_range_begins_where_it_says(scene):
    write(scene, list(range(100, 400)), step_s=3600)
    scene.guard.tiny.now_ms = int((T0 + timedelta(hours=300)).timestamp() * 1000)
    with scene.inputs() as seen:
        day, week, everything = (view_equity(seen, name).points for name in ("24h", "7d", "all"))
    assert (len(day), len(week), len(everything)) == (24, 168, 300)


def test_what_happened_is_marked(scene):
    name = scene.trade(close="z_cross")
    scene.decide(T0 + timedelta(hours=1), version="2")
    scene.journal.states.record(StateRecord(T0 + timedelta(hours=2), TradingState.HALTED, "a person", "person"))
    scene.journal.states.record(StateRecord(T0 + timedelta(hours=3), TradingState.HALTED, "again", "person"))
    scene.journal.states.record(StateRecord(T0 + timedelta(hours=4), TradingState.TRADING, "well", "person"))
    with scene.inputs() as seen:
        view = view_equity(seen, "all")
    found = [(marker.kind, marker.ref) for marker in view.markers]
    assert sorted(found) == sorted(
        [("restart", "r1"), ("entry", name), ("exit", name), ("promotion", "2"), ("halt", None), ("resume", None)]
    )
    assert [marker.at for marker in view.markers] == sorted(marker.at for marker in view.markers)
    assert [price for _, price in view.btc] == [80000.0, 80000.0]
