"""The margin mode of a record: written down only where it is not cross, and the strategy's own in every entry."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from pairity.margin import MarginMode
from pairity.settings import StrategySettings
from pairity.strategy.codec import decision_from_json, decision_to_json, position_from_json, position_to_json
from pairity.strategy.types import Action, Decision, Entry, PairPosition, StrategyState
from pairity.universe import Pair
from tests.serving.trading import T0, entry

HELD = PairPosition(
    position_id="BTC__ETH@1",
    pair=Pair("BTC", "ETH"),
    direction=1,
    legs=(),
    opened_at=T0,
    entry_z=-1.5,
    entry_score=1.0,
    last_z=-1.5,
)


def decision_with(position: PairPosition, wanted: Entry) -> Decision:
    state = StrategyState(10_000.0, positions=(position,))
    return Decision(Action.OPEN, "because", (), (), (wanted,), state)


def test_a_cross_record_is_written_as_before_there_was_a_choice() -> None:
    text = decision_to_json(decision_with(HELD, entry()))
    assert "margin" not in text
    assert "margin" not in position_to_json(HELD)
    assert decision_from_json(text) == decision_with(HELD, entry())
    assert position_from_json(position_to_json(HELD)).margin_mode is MarginMode.CROSS


def test_an_isolated_record_comes_back_as_one() -> None:
    isolated = replace(HELD, margin_mode=MarginMode.ISOLATED)
    assert position_from_json(position_to_json(isolated)) == isolated
    decision = decision_with(isolated, replace(entry(), margin_mode=MarginMode.ISOLATED))
    text = decision_to_json(decision)
    assert decision_from_json(text) == decision
    assert json.loads(text)["entries"][0]["margin_mode"] == "isolated"


def test_the_other_mode() -> None:
    assert [mode.other for mode in MarginMode] == [MarginMode.ISOLATED, MarginMode.CROSS]


def test_a_mode_that_there_is_not_is_refused() -> None:
    assert StrategySettings().margin_mode is MarginMode.CROSS
    with pytest.raises(ValidationError, match="'cross' or 'isolated'"):
        StrategySettings(margin_mode="portfolio")
