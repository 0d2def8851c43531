"""What is read back equals what was written, bit for bit."""

from __future__ import annotations

import math
import struct
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.strategy.types import Leg, PairPosition, Side
from pairity.universe import Pair
from serving.journal import (
    Charge,
    FeatureVector,
    Fill,
    Journal,
    PositionClose,
)
from serving.journal.codec import time_from_text, time_to_text, values_from_json, values_to_json
from tests.examples import examples
from tests.serving.journal.intentions import intent
from tests.serving.trading import RUN, T0, decision_of, entry

UNIVERSE = st.sampled_from(["BTC__ETH", "ETH__SOL", "DOGE__LINK"])
DECIMALS = st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False, places=10)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
VALUES = st.dictionaries(
    st.text(min_size=1, max_size=20),
    st.none() | st.floats() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(max_size=20),
    max_size=40,
)


def bits(value: object) -> object:
    return struct.pack(">d", value) if isinstance(value, float) else (type(value), value)


@settings(deadline=None, max_examples=examples(300))
@given(VALUES)
def test_feature_values_come_back_bit_for_bit(values: dict[str, object]) -> None:
    back = values_from_json(values_to_json(values))  # type: ignore[arg-type]
    canonical = {name: math.nan if isinstance(v, float) and math.isnan(v) else v for name, v in values.items()}
    assert {name: bits(value) for name, value in back.items()} == {n: bits(v) for n, v in canonical.items()}


@given(TIMES)
def test_times_come_back_and_sort_as_text(instant: datetime) -> None:
    assert time_from_text(time_to_text(instant)) == instant
    assert (time_to_text(instant) < time_to_text(T0)) == (instant < T0)


def test_a_feature_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="feature x is a list"):
        values_to_json({"x": [1]})  # type: ignore[dict-item]


@settings(deadline=None, max_examples=examples(50))
@given(
    values=VALUES,
    contracts=DECIMALS,
    prices=st.tuples(FLOATS, FLOATS, st.none() | FLOATS),
    times=st.tuples(TIMES, TIMES, TIMES),
    pair=UNIVERSE,
    side=st.sampled_from(list(Side)),
    numbers=st.tuples(DECIMALS, st.none() | DECIMALS, st.none() | DECIMALS),
)
def test_every_record_comes_back_equal(values, contracts, prices, times, pair, side, numbers) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder) / "j.db")
        run = replace(RUN, started_at=times[0])
        decision = decision_of(entry(side), at=times[1])
        vector = FeatureVector(decision.decision_id, "pair_model_v1", pair, times[2], values)
        unknown = FeatureVector(decision.decision_id, "pair_model_v1", "none", None, {})
        wanted = intent(
            decision_id=decision.decision_id,
            contracts=contracts,
            side=side,
            stop_price=numbers[1],
            target_price=numbers[2],
            created_at=times[2],
        )
        leg = Leg("BTC", side, contracts, prices[0], prices[1], prices[2])
        position = PairPosition(
            "p1", Pair.from_id(pair), side.sign, (leg,), times[0], prices[0], prices[1], prices[2] or 0.0
        )
        fill = Fill(
            "BTC-USDT-SWAP", "1", "2", "p1", "c", side, contracts, numbers[0], -numbers[0], numbers[0], times[1]
        )
        close = PositionClose(times[2], "z_cross", numbers[0], numbers[1], numbers[2], None)
        journal.record_run(run)
        journal.record_decision(decision, [vector, unknown])
        journal.intend(wanted)
        journal.save_position(position)
        abroad = replace(fill, order_id="3", fee_usdt=numbers[1], charged=Charge(numbers[0], "OKB"))
        journal.record_fills([fill, fill, abroad])
        assert journal.open_positions()[0].position == position
        journal.close_position("p1", close)
        journal.close()

        journal = Journal.read(Path(folder) / "j.db")
        assert journal.run(run.run_id) == run
        assert journal.decision(decision.decision_id) == decision == journal.last_decision()
        found = {item.entity: item for item in journal.vectors(decision.decision_id)}
        assert found["none"] == unknown
        assert {n: bits(v) for n, v in found[pair].values.items()} == {
            n: bits(math.nan if isinstance(v, float) and math.isnan(v) else v) for n, v in values.items()
        }
        assert journal.intent(wanted.client_order_id) == wanted
        assert sorted(journal.fills(), key=lambda known: known.order_id) == [fill, abroad]
        (record,) = journal.closed_positions()
        assert (record.position, record.close) == (position, close)
        journal.close()
