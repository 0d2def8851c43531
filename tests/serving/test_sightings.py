"""What the watch saw, as readers find it: stops, positions, reconciliation, reachability."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from tests.serving.trading import BTC, opened


def test_nothing_is_claimed_before_the_first_look(guard):
    seen = guard.parts.sightings
    assert (seen.reachable, seen.looked_at, seen.reconciliation, seen.account) == (None, None, None, None)
    assert dict(seen.stops) == dict(seen.positions) == {}


def test_a_look_notes_stops_positions_and_that_all_agree(guard):
    position = asyncio.run(opened(guard.desk))
    asyncio.run(guard.watch.look())
    seen, (leg,) = guard.parts.sightings, position.legs
    stop = seen.stops[position.position_id, "BTC"]
    assert (stop.protected, float(stop.stop), float(stop.target)) == (True, leg.stop_price, leg.target_price)
    assert stop.at <= guard.parts.clock.now()
    assert seen.positions[BTC].contracts == -leg.contracts
    assert seen.positions[BTC].mark_price == Decimal(80000)
    assert seen.reachable is True
    assert seen.reconciliation.differences == 0
    assert seen.account.measures.equity > 0


def test_a_look_that_fails_leaves_what_was_seen_with_its_age(guard):
    position = asyncio.run(opened(guard.desk))
    asyncio.run(guard.watch.look())
    before = guard.parts.sightings.stops[position.position_id, "BTC"], guard.parts.sightings.reconciliation
    guard.tiny.faults = [("*", "html")] * 50
    guard.tiny.now_ms += 60_000
    assert asyncio.run(guard.watch.look()) is None
    seen = guard.parts.sightings
    assert seen.reachable is False
    assert (seen.stops[position.position_id, "BTC"], seen.reconciliation) == before
    assert seen.looked_at > before[1].at


def test_a_stop_that_is_gone_is_seen_again_when_it_was_placed_again(guard):
    position = asyncio.run(opened(guard.desk))
    asyncio.run(guard.watch.look())
    first = guard.parts.sightings.stops[position.position_id, "BTC"]
    guard.tiny.algos.clear()
    guard.tiny.now_ms += 60_000
    asyncio.run(guard.watch.look())
    second = guard.parts.sightings.stops[position.position_id, "BTC"]
    assert second.protected
    assert second.at > first.at


def test_what_is_closed_is_forgotten(guard):
    position = asyncio.run(opened(guard.desk))
    asyncio.run(guard.watch.look())
    asyncio.run(guard.desk.executor.close(position, "z_cross", None))
    asyncio.run(guard.watch.look())
    assert dict(guard.parts.sightings.stops) == dict(guard.parts.sightings.positions) == {}


def test_somebody_elses_position_counts_as_a_difference(guard):
    guard.tiny.positions["ETH-USDT-SWAP"] = [Decimal(3), Decimal(2000)]
    asyncio.run(guard.watch.look())
    assert guard.parts.sightings.reconciliation.differences == 1
