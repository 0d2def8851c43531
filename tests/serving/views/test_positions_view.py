"""Open positions as the API says them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from serving.views.positions import view_positions


def only(scene):
    with scene.inputs() as seen:
        (item,) = view_positions(seen).items
    return item


def test_a_position_says_what_it_holds_and_that_it_is_protected(scene):
    name = scene.trade()
    item = only(scene)
    record = scene.journal.position(name).position
    (leg,) = item.legs
    assert (item.position_id, item.pair, item.direction, item.kind) == (name, "BTC__SOL", "short", "pair")
    assert (leg.instrument, leg.side, Decimal(leg.contracts)) == ("BTC-USDT-SWAP", "sell", record.legs[0].contracts)
    assert Decimal(leg.coins) == record.legs[0].contracts * Decimal("0.01")
    assert (leg.stop.state, float(leg.stop.price)) == ("confirmed", record.legs[0].stop_price)
    assert (leg.target.state, float(leg.target.price)) == ("confirmed", record.legs[0].target_price)
    assert item.probability_entry == 0.6
    assert item.z_entry == -record.direction * 1.7
    assert item.decision_id == scene.journal.last_decision().decision_id
    assert (item.stop_level, item.target_level) == (record.legs[0].stop_price, record.legs[0].target_price)


def test_the_result_is_split_into_what_is_known(scene):
    scene.trade()
    scene.guard.tiny.prices["BTC-USDT-SWAP"] = Decimal(79000)
    asyncio.run(scene.guard.watch.look())
    item = only(scene)
    entry, coins = Decimal(item.legs[0].entry_price), Decimal(item.legs[0].coins)
    assert item.result.price_usdt == float((entry - 79000) * coins)
    assert item.result.fees_usdt == float(-entry * coins * Decimal("0.0005"))
    assert item.result.funding_usdt is None
    assert item.result.total_usdt == item.result.price_usdt + item.result.fees_usdt
    assert item.now_level == 79000.0


def test_funding_so_far_is_that_of_the_venue(scene):
    scene.trade()
    scene.guard.tiny.funding["BTC-USDT-SWAP"] = "-1.25"
    asyncio.run(scene.guard.watch.look())
    result = only(scene).result
    assert result.funding_usdt == -1.25
    assert result.total_usdt == result.price_usdt + result.fees_usdt - 1.25


@pytest.mark.parametrize("said", ["", "soon", "NaN"])
def test_funding_that_cannot_be_read_keeps_no_position_unread(scene, said):
    scene.trade()
    scene.guard.tiny.funding["BTC-USDT-SWAP"] = said
    asyncio.run(scene.guard.watch.look())
    item = only(scene)
    assert item.result.funding_usdt is None
    assert item.legs[0].stop.state == "confirmed"


def test_funding_of_a_position_that_others_enlarged_is_not_ours(scene):
    scene.trade()
    scene.guard.tiny.funding["BTC-USDT-SWAP"] = "-1.25"
    asyncio.run(scene.guard.watch.look())
    row = scene.sightings.positions["BTC-USDT-SWAP"]
    scene.sightings.positions = {row.instrument: replace(row, contracts=row.contracts * 2)}
    assert only(scene).result.funding_usdt is None


def test_a_confirmation_that_is_old_counts_as_none(scene):
    scene.trade()
    scene.guard.tiny.faults = [("*", "html")] * 100
    scene.guard.tiny.now_ms += 600_000
    asyncio.run(scene.guard.watch.look())
    leg = only(scene).legs[0]
    assert leg.stop.state == "unconfirmed"
    assert leg.stop.confirmed_at is not None
    assert scene.now - leg.stop.confirmed_at >= timedelta(minutes=9)


def test_a_stop_that_the_venue_refuses_is_missing(scene):
    name = scene.trade()
    tiny = scene.guard.tiny
    tiny.algos.clear()
    tiny.refuse_algos = "51000"
    tiny.faults = [("privatePostTradeOrder", "html")] * 20  # the exit that follows does not get through either
    asyncio.run(scene.guard.watch.look())
    if scene.journal.position(name).close is None:
        assert only(scene).legs[0].stop.state in ("missing", "unconfirmed")


def test_without_a_look_nothing_is_confirmed_and_no_mark_is_known(scene):
    scene.trade()
    scene.sightings.stops, scene.sightings.positions, scene.sightings.positions_at = {}, {}, None
    leg = only(scene).legs[0]
    assert (leg.stop.state, leg.stop.confirmed_at, leg.mark_price, leg.result_usdt) == ("unconfirmed", None, None, None)
    assert only(scene).result.total_usdt is None
