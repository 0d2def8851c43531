"""The recording strategy decides as the strategy does, and says of every pair why it was not taken."""

import pytest

from pairity.settings import StrategySettings
from tests.training.generated import LAG, random_market
from training.backtest.engine import run_backtest
from training.backtest.policies import Strategy
from training.backtest.recording import ASSESSMENT_SCHEMA, RecordingStrategy
from training.backtest.records import Terms

TERMS = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"legs": "both", "max_concurrent_positions": 2, "correlation_max": 0.6},
        {"switch_threshold": 1.2, "cooldown_bars": 3, "exit_z": 0.3},
    ],
)
def test_it_decides_as_the_strategy_and_explains_every_pair(seed, chosen):
    history, scores = random_market(seed, count=80, assets=("BTC", "ETH", "SOL", "XRP"))
    settings = StrategySettings(**chosen)
    recorder = RecordingStrategy(settings)
    told, pruned = (
        run_backtest(history, scores, policy, TERMS, decision_lag=LAG, train_end=None)
        for policy in (recorder, Strategy(settings))
    )
    assert told.trades.equals(pruned.trades)
    assert told.equity.equals(pruned.equity)
    assert told.decisions.equals(pruned.decisions)
    rows = recorder.tabulate()
    assert dict(rows.schema) == ASSESSMENT_SCHEMA
    assert rows.select("time", "pair_id").rows() == [
        (hour, score.pair.pair_id) for hour in history.hours if hour in scores for score in scores[hour].scores
    ]
    given = {(hour, score.pair.pair_id): score for hour in scores for score in scores[hour].scores}
    reasons = dict(told.decisions.select("time", "reason").iter_rows())
    opened = {(row["time"], row["pair_id"]) for row in rows.to_dicts() if row["taken"]}
    traded = set(told.trades.select("decided_at", "pair_id").rows())
    assert traded <= opened
    for row in rows.to_dicts():
        score = given[row["time"], row["pair_id"]]
        assert (row["z_score"], row["probability"], row["hedge_ratio"]) == (
            score.z,
            score.probability,
            score.hedge_ratio,
        )
        assert row["reason"] == reasons[row["time"]]
        assert row["taken"] == (not row["rejected"])
        if settings.may_switch and row["rejected"] == "already held":
            continue  # the pair that a switch would leave says so, however weak it is by now
        if score.unusable:
            assert row["rejected"] == score.unusable
        elif abs(score.z) <= settings.z_entry:
            assert row["rejected"] == f"|z| not above {settings.z_entry}"
        elif score.probability <= settings.probability_min:
            assert row["rejected"] == f"probability not above {settings.probability_min}"
