"""What is not known has no label: scores, ends of history, holes, funding, assets."""

from dataclasses import replace

import polars as pl
import pytest

from pairity.errors import DataError
from tests.training.generated import HOUR, START
from tests.training.labels.barrier_market import BOTH, FLAT, UTC_US, config, market, one, rows, with_bar
from training.backtest.records import Settlement
from training.labels.triple_barrier import label_triple_barrier, withhold_unwatched


@pytest.mark.parametrize("z", [1.0, -1.0, 0.0])
def test_inside_the_entry_level_the_label_is_0_once_the_horizon_is_there(z):
    found = one(market([100.0, 100.0, *[110.0] * 9]), z)
    assert (found["label"], found["net_return"], found["t1"]) == (0, None, START + 10 * HOUR)
    assert one(market([100.0, 100.0, *[110.0] * 8]), z)["label"] is None


@pytest.mark.parametrize("z", [None, float("nan"), float("inf")])
def test_null_without_a_z_score(z):
    found = one(market(FLAT), z)
    assert (found["label"], found["net_return"], found["t1"]) == (None, None, START + 10 * HOUR)


def test_at_the_end_of_history_only_what_has_ended_is_known():
    assert one(market([100.0, 100.0, 102.0, 106.0]), -2.0)["label"] == 1
    for length in (1, 2, 5, 10):
        found = one(market([100.0] * length), -2.0)
        assert (found["label"], found["net_return"], found["t1"]) == (None, None, START + 10 * HOUR)
    assert one(market([100.0] * 11), -2.0)["label"] == 0


def test_null_where_the_entrys_or_the_horizons_bar_is_missing():
    for step in (1, 10):
        history = market(FLAT)
        del history.bars["BTC"][START + step * HOUR]
        assert one(history, -2.0)["label"] is None


def test_a_hole_is_passed_over_two_are_not_unless_the_end_was_known_before():
    history = market([100.0, 100.0, 100.0, 90.0, *[106.0] * 10])
    del history.bars["BTC"][START + 3 * HOUR]
    found = one(with_bar(history, 4, (100.0, 106.0, 100.0, 106.0)), -2.0)
    assert (found["label"], found["t1"]) == (1, START + 4 * HOUR)
    del history.bars["BTC"][START + 5 * HOUR]
    assert one(history, -2.0)["label"] == 1
    del history.bars["BTC"][START + 2 * HOUR]
    assert one(history, -2.0)["label"] is None


def test_a_settlement_in_a_hole_is_booked_at_the_last_known_close():
    history = market([100.0, 100.0, *[102.0] * 11], funding={"BTC": [Settlement(START + 3 * HOUR, 0.01)]})
    del history.bars["BTC"][START + 3 * HOUR]
    assert one(history, -2.0)["net_return"] == pytest.approx(0.02 - 0.0102)


@pytest.mark.parametrize(
    ("steps", "change", "known"),
    [
        ([0], {"funding_rate": None}, False),
        ([0], {"close": None}, False),
        ([4], {"funding_rate": None}, True),
        ([4, 5], {"funding_rate": None}, False),
        ([4, 5], {"close": None}, True),  # known too late then, but a bar now
        ([0], {"atr": None, "spec": None}, True),
    ],
)
def test_null_where_funding_is_not_known_as_where_bars_are_not(steps, change, known):
    history = market(FLAT)
    for step in steps:
        views = history.views[START + step * HOUR]
        views["BTC"] = replace(views["BTC"], **change)
    assert (one(history, -2.0)["label"] is not None) == known


def test_an_asset_of_which_nothing_is_known_has_no_labels():
    history = market(FLAT)
    lines = rows(("BTC__XRP", START, -2.0, 1.0), ("XRP__ETH", START, 2.0, 1.0), ("XRP__ETH", START, 0.0, 1.0))
    assert label_triple_barrier(lines, history, BOTH)["label"].is_null().all()
    assert label_triple_barrier(lines, history, config())["label"].to_list() == [0, None, None]


def withheld(history, z=-2.0, chosen=None, at=START):
    chosen = chosen or config()
    line = label_triple_barrier(rows(("BTC__ETH", at, z, 1.0)), history, chosen)
    return withhold_unwatched(line, chosen.label.horizon_bars).row(0, named=True)


def test_what_is_known_only_because_it_ended_early_is_withheld():
    """At the end of history, before an outage, and where the horizon's own end is missing."""
    won = [100.0, 100.0, 102.0, 106.0]
    nothing = (None, None, START + 10 * HOUR)
    found = withheld(market([*won, *[106.0] * 6]))
    assert (found["label"], found["net_return"], found["t1"]) == nothing
    found = withheld(market([*won, *[106.0] * 7]))
    assert (found["label"], found["t1"]) == (1, START + 3 * HOUR)
    for missing, kept in (([10], False), ([7], True), ([6, 7], False)):
        history = market([*won, *[106.0] * 9])
        for step in missing:
            del history.bars["BTC"][START + step * HOUR]
        found = withheld(history)
        assert ((found["label"], found["net_return"], found["t1"]) != nothing) == kept
    history = market([*won, *[106.0] * 9])
    del history.bars["ETH"][START + 10 * HOUR]
    assert withheld(history)["label"] == 1
    assert withheld(history, chosen=BOTH)["label"] is None


def test_whether_a_row_is_kept_does_not_depend_on_how_it_ended():
    """The same hours are missing; only prices differ."""
    kept = []
    for path in ([100.0] * 30, [100.0, 100.0, 90.0, *[90.0] * 27], [100.0, 100.0, 106.0, *[106.0] * 27]):
        history = market(path)
        for step in (14, 15, 22):
            del history.bars["BTC"][START + step * HOUR]
        times = [START + step * HOUR for step in range(30) if step not in (14, 15, 22)]
        labels = label_triple_barrier(rows(*(("BTC__ETH", at, -2.0, 1.0) for at in times)), history, config())
        kept.append(withhold_unwatched(labels, 10)["label"].is_null().to_list())
    assert kept[0] == kept[1] == kept[2]
    assert 0 < sum(kept[0]) < 27


def test_decisions_outside_of_the_history_are_refused():
    with pytest.raises(DataError, match="outside of the history"):
        one(market(FLAT), -2.0, at=START - HOUR)


def test_no_rows_no_labels():
    found = label_triple_barrier(rows(), market(FLAT), config())
    assert found.columns == ["pair_id", "event_timestamp", "label", "t0", "t1", "net_return", "watched"]
    assert found.schema["label"] == pl.Int8
    assert found.schema["t1"] == UTC_US
