"""What the process says at its start and of each decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pairity.settings import LimitSettings, ServeSettings, Settings, StrategySettings
from pairity.strategy.types import Exit, ExitReason, PairAssessment
from pairity.universe import Pair
from serving.announcing import describe_decision, describe_start
from serving.journal import DecisionRecord
from serving.models.scoring import ModelRef
from serving.risk import Mode
from serving.status import Status
from tests.serving.trading import decision_of, entry

MODEL = ModelRef(
    name="pair_forest",
    version="3",
    run_id="0123abcd",
    uri="",
    sha256="",
    feature_service="",
    snapshot_id="",
    train_end="2025-12-20T00:00:00+00:00",
    gate="passed",
)


def start(mode: Mode, **settings: object) -> list[str]:
    return describe_start(Settings(**settings), Status(mode=str(mode), market="OKX", model={}), MODEL)


def with_scores(record: DecisionRecord, *scores: PairAssessment) -> str:
    return describe_decision(replace(record, decision=replace(record.decision, scores=scores)))


def assessed(base: str, z: float | None, score: float | None, rejected: str | None = None) -> PairAssessment:
    return PairAssessment(Pair(base, "SOL"), z, None if score is None else 0.6, score, rejected)


def test_the_start_says_mode_universe_model_sizes_and_limits():
    text = "\n".join(start(Mode.DEMO))
    for said in ("demo trading at OKX", "10 assets, 45 pairs", "BTC, ETH", "pair_forest version 3", "gate: passed"):
        assert said in text
    for said in (
        "size      1,000.00 USDT, up to twice as much at a high score",
        "leverage 1",
        "1 position at once",
        "day's loss of 5%, a drawdown of 20%",
        "60 min",
    ):
        assert said in text
    assert "REAL MONEY" not in text


def test_the_start_writes_instants_shares_and_counts_as_people_do():
    text = "\n".join(start(Mode.DEMO, limits=LimitSettings(day_loss=0.0525, orders_per_hour=1)))
    for said in ("trained until 2025-12-20 00:00 UTC", "a day's loss of 5.25%", "1 order an hour"):
        assert said in text
    assert "T00:00" not in text


def test_z_and_probability_are_told_from_the_limit_that_is_named_beside_them():
    weak = assessed("ETH", 0.99996, 0.5, "|z| not above 1.0")
    assert "z +0.99996" in with_scores(decision_of(), weak)
    unsure = replace(assessed("ETH", -1.2, 0.5, "probability not above 0.6"), probability=0.59996)
    line = with_scores(decision_of(), unsure)
    assert "z -1.20, p 0.59996, score" in line


def test_real_money_is_loud():
    lines = start(Mode.LIVE)
    assert "REAL MONEY" in lines[1]
    assert set(lines[0]) == set(lines[-1]) == {"!"}


@pytest.mark.parametrize("most", [-1.0, 2500.5])
def test_the_start_says_what_was_set(most: float):
    text = "\n".join(
        start(
            Mode.PAPER,
            strategy=StrategySettings(max_position_usdt=most, leverage=7, legs="both", max_concurrent_positions=3),
            serve=ServeSettings(interval_minutes=240),
        )
    )
    assert f"size      {'all that is available' if most == -1 else '2,500.50 USDT'}, up to twice as much" in text
    assert "leverage 7, legs: both, 3 positions at once" in text
    assert "240 min" in text


def test_a_decision_names_the_best_pair_and_that_it_was_taken():
    wanted = entry()
    line = with_scores(decision_of(wanted), assessed("BTC", 1.7, 1.02), assessed("ETH", 1.2, 0.5, "|z| not above 1.5"))
    assert line == "2025-03-18 17:00  open: because; the best of 2"


@pytest.mark.parametrize(("rejected", "why"), [("already held", "already held"), (None, "because")])
def test_a_decision_says_why_the_best_pair_was_not_taken(rejected: str | None, why: str):
    line = with_scores(decision_of(), assessed("ETH", -1.2, 0.5), assessed("BTC", -2.0, 1.5, rejected))
    assert line.endswith(f"best of 2 BTC__SOL z -2.00, p 0.600, score 1.500, not taken: {why}")


def test_a_decision_without_scores_says_what_was_missing():
    stale = [assessed(base, None, None, "stale") for base in ("BTC", "ETH", "XRP")]
    line = with_scores(decision_of(), *stale, assessed("ADA", None, None))
    assert line.endswith("none of 4 pairs has a score: stale (3), not scored (1)")


def test_exits_are_named_with_their_reason():
    line = with_scores(decision_of(exits=(Exit("BTC__SOL@1", ExitReason.Z_CROSS),)), assessed("BTC", 0.1, 0.1))
    assert "closes BTC__SOL@1: z_cross" in line
