from __future__ import annotations

import json
import shutil
from datetime import timedelta

import polars as pl
import pytest

from pairity.errors import ConfigError, LakeCorruptError, UnknownNameError
from pairity.layout import Layout
from tests.validation.frames import NOW, T0, at, candles, funding, of
from validation.quarantine import Quarantine, find_item, read_items, record_action
from validation.row_verdicts import judge_raw_rows


def held(rows, dataset="funding"):
    return judge_raw_rows(of("BTC", rows), dataset, NOW).withheld.drop("asset")


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def test_only_the_offending_rows_are_kept_with_their_rule(layout):
    (item,) = Quarantine.read(layout).withhold("funding", "BTC/2025-04", held(funding((0.0001, 0.5))), now=NOW)
    assert read_items(layout) == [item] == [find_item(layout, item.id[:5])]
    assert item.path.parent == layout.root / "quarantine" / "funding" / "BTC_2025-04"
    assert (item.rows, item.first, item.rules, item.state) == (
        1,
        T0 + timedelta(hours=8),
        ("rates_out_of_bounds",),
        "held",
    )
    assert item.failed[0].meaning == "a rate beyond ±5% per interval"
    assert item.read_rows().drop("broken_rules").equals(funding((0.0001, 0.5)).tail(1))
    assert Quarantine.read(layout).list_withheld_instants().rows() == [("funding", "BTC", T0 + timedelta(hours=8))]
    assert not list(layout.root.rglob("*.tmp"))


def test_the_same_rows_again_are_no_news_whenever_they_came(layout):
    rows = held(funding((0.0001, 0.5)))
    (item,) = Quarantine.read(layout).withhold("funding", "BTC/2025-04", rows, now=NOW)
    later = rows.with_columns(pl.col("known_at") + timedelta(hours=1))
    assert Quarantine.read(layout).withhold("funding", "BTC/2025-04", later, now=NOW + timedelta(hours=1)) == []
    more = held(funding((0.0001, 0.5, 0.6)))
    (other,) = Quarantine.read(layout).withhold("funding", "BTC/2025-04", more, now=NOW)
    assert (other.rows, other.id != item.id) == (1, True)


def test_one_item_per_combination_of_rules(layout):
    rows = at(9, volume=-1.0)(at(3, high=1.0)(at(5, high=1.0, volume=-1.0)(candles())))
    items = Quarantine.read(layout).withhold("candles_1m", "BTC/2025-04", held(rows, "candles_1m"), now=NOW)
    assert sorted(item.rules for item in items) == [
        ("high_low_violations",),
        ("negative_volumes",),
        ("negative_volumes", "high_low_violations"),
    ]


def test_the_journal_closes_an_item_and_the_same_rows_open_it_again(layout):
    rows = held(funding((0.0001, 0.5)))
    (item,) = Quarantine.read(layout).withhold("funding", "BTC/2025-04", rows, now=NOW)
    record_action(item, "repair failed", "still wrong", now=NOW)
    assert find_item(layout, item.id).state == "held"
    record_action(item, "repair", "good rows", now=NOW)
    assert find_item(layout, item.id).state == "repaired"
    assert Quarantine.read(layout).list_withheld_instants().is_empty()
    assert [again.state for again in Quarantine.read(layout).withhold("funding", "BTC/2025-04", rows, now=NOW)] == [
        "held"
    ]


def test_released_rows_are_not_held_back_again_for_that_rule(layout):
    rates = funding((0.0001, 0.5))
    (item,) = Quarantine.read(layout).withhold("funding", "BTC/2025-04", held(rates), now=NOW)
    record_action(item, "release", "the venue announced it", now=NOW)
    released = Quarantine.read(layout).list_released("funding")
    again = judge_raw_rows(of("BTC", rates), "funding", NOW, released=released)
    assert again.withheld.is_empty()
    assert again.accepted.equals(of("BTC", rates))
    other = judge_raw_rows(
        of("BTC", funding((0.0001, 0.6))), "funding", NOW, released=Quarantine.read(layout).list_released("funding")
    )
    assert other.withheld.height == 1


def test_what_a_killed_writer_left_is_not_listed_and_goes_with_the_next(layout):
    left_over = layout.quarantine / "funding" / "BTC_2025-04" / ".abc.1.tmp"
    left_over.mkdir(parents=True)
    (left_over / "reason.json").write_text("{")
    assert read_items(layout) == []
    Quarantine.read(layout).withhold("funding", "BTC/2025-04", held(funding((0.5,))), now=NOW)
    assert not left_over.exists()


def test_names_that_do_not_exist_and_ambiguous_ones_are_refused(layout):
    with pytest.raises(UnknownNameError, match="quarantine item 'abc'"):
        find_item(layout, "abc")
    items = [
        Quarantine.read(layout).withhold("funding", f"A{i}/2025-04", held(funding((0.5,))), now=NOW)[0]
        for i in range(17)
    ]
    first = next(a.id[0] for a in items if sum(b.id[0] == a.id[0] for b in items) > 1)
    with pytest.raises(ConfigError, match="begins"):
        find_item(layout, first)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"failed": 1}'])
def test_a_reason_that_cannot_be_read_is_named(layout, text):
    (item,) = Quarantine.read(layout).withhold("funding", "BTC", held(funding((0.5,))), now=NOW)
    assert json.loads((item.path / "reason.json").read_text())["rows"] == 1
    (item.path / "reason.json").write_text(text)
    with pytest.raises(LakeCorruptError, match=r"reason\.json cannot be read"):
        read_items(layout)


def test_one_walk_through_the_folders_answers_a_whole_run_whose_own_changes_show(layout):
    writer = Quarantine.read(layout)
    for asset in ("BTC", "ETH", "SOL"):
        writer.withhold("funding", f"{asset}/2025-04", held(funding((0.0001, 0.5))), now=NOW)
    writer.withhold("funding", "BTC/2025-04/binance", held(funding((0.7,))), now=NOW)
    run = Quarantine.read(layout)
    eth, sol = (run.list_items("funding", asset, state="held")[0] for asset in ("ETH", "SOL"))
    run.record(eth, "release", "announced", now=NOW)
    run.record(sol, "repair", "good rows", now=NOW)
    (new,) = run.withhold("candles_1m", "ADA/2025-04", held(at(9, volume=-1.0)(candles()), "candles_1m"), now=NOW)
    assert run.list_withheld_instants()["asset"].to_list() == ["ADA", "BTC"]
    assert [(item.entity, item.rules) for item in run.list_released("funding")] == [
        ("ETH", frozenset({"rates_out_of_bounds"}))
    ]
    assert run.list_released("funding", "binance") == []
    again = Quarantine.read(layout)
    shutil.rmtree(layout.quarantine)  # whatever is asked from here on has been read already, except rows
    for snapshot in (run, again):
        assert sorted(snapshot.explain_withheld(NOW, T0)) == ["ADA", "BTC"]
        assert [item.id for item in snapshot.list_items("candles_1m")] == [new.id]
        assert [item.state for item in snapshot.list_items("funding", venue="")] == ["held", "released", "repaired"]
    assert Quarantine.read(layout).list_items() == []
