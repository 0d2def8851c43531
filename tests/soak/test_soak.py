"""The soak plays the same chapter for the same seed, finds nothing in a short one, and would see a missing stop."""

from __future__ import annotations

from decimal import Decimal

import pytest

from paper_exchange.account.placing import place
from paper_exchange.params import Params
from tests.soak.chapter import play
from tests.soak.venue import Venue

BTC = "BTC-USDT-SWAP"


def test_a_seed_plays_the_same_chapter_and_nothing_is_wrong() -> None:
    first, second = (play("test/1", 2) for _ in range(2))
    assert first.wrong == []
    assert first.story == second.story
    assert first.counts["entries"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["test/2", "test/3", "test/4"])
def test_chapters(seed: str) -> None:
    assert play(seed, 25).wrong == []


def test_a_position_without_a_stop_is_noted_after_a_minute() -> None:
    venue = Venue(1, 2, unkind=False, lag_ms=0)
    order = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}
    place(venue.account, Params(order))
    venue.meter.dead = False
    venue.move_to(venue.clock.now_ms() + 50_000)
    assert venue.meter.offence == ""
    venue.move_to(venue.clock.now_ms() + 30_000)
    assert "has had no stop" in venue.meter.offence


def test_a_stop_covers_what_it_would_close() -> None:
    venue = Venue(1, 2, unkind=False, lag_ms=0)
    last = venue.account.last(BTC)
    stop = {"slTriggerPx": str((last * Decimal("0.8")).quantize(Decimal("0.1"))), "slOrdPx": "-1"}
    order = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1", "attachAlgoOrds": [stop]}
    place(venue.account, Params(order))
    venue.meter.dead = False
    venue.move_to(venue.clock.now_ms() + 120_000)
    assert (venue.meter.offence, venue.meter.worst_ms) == ("", 0)
