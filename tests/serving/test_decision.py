"""A decision record says why a pair's features are missing: withheld rows, by rule and id."""

from __future__ import annotations

from datetime import timedelta

from pairity.layout import Layout
from pairity.strategy.types import PairScore
from pairity.universe import Pair
from serving.decision import explain_scores
from tests.validation.frames import MINUTE, NOW, T0, at, candles, of
from validation.quarantine import Quarantine
from validation.row_verdicts import judge_raw_rows


def test_the_reason_of_a_missing_row_is_part_of_the_score(tmp_path):
    held = judge_raw_rows(of("BTC", at(50, volume=-1.0)(candles())), "candles_1m", NOW).withheld.drop("asset")
    (item,) = Quarantine.read(Layout(tmp_path)).withhold("candles_1m", "BTC/2025-04", held, now=NOW)
    hour = timedelta(hours=1)
    told = Quarantine.read(Layout(tmp_path)).explain_withheld(T0 + hour, T0)
    assert told == {"BTC": f"held back: candles_1m negative_volumes ({item.id})"}
    assert Quarantine.read(Layout(tmp_path)).explain_withheld(T0 + 3 * hour, T0 + 51 * MINUTE) == {}
    stale = PairScore(Pair("BTC", "ETH"), None, None, "stale: features are 1 h old")
    usable, other = PairScore(Pair("BTC", "SOL"), 1.0, 0.5), PairScore(Pair("ETH", "SOL"), None, None, "stale")
    scores = explain_scores([stale, usable, other], told)
    assert scores[0].unusable == f"stale: features are 1 h old (BTC held back: candles_1m negative_volumes ({item.id}))"
    assert scores[1:] == [usable, other]
