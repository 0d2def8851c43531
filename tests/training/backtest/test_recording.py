"""The recording strategy decides as the strategy does, and says of every pair why it was not taken."""

import polars as pl
import pytest

from pairity.settings import StrategySettings
from tests.training.generated import LAG, random_market
from training.backtest.engine import run_backtest
from training.backtest.policies import Strategy
from training.backtest.recording import ASSESSMENT_SCHEMA, RecordingStrategy, explain_no_entry
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
        elif score.probability <= 0.5:
            assert row["rejected"] == "probability not above 0.5"


def test_where_nothing_was_entered_the_most_frequent_reasons_are_told():
    """Funding that was never collected, for example: each decision says so, and so does the whole backtest."""
    history, scores = random_market(1, count=80, assets=("BTC", "ETH", "SOL"))
    recorder = RecordingStrategy(StrategySettings(z_entry=1e9))
    run_backtest(history, scores, recorder, TERMS, decision_lag=LAG, train_end=None)
    rows = recorder.tabulate()
    told = explain_no_entry(rows)
    assert told is not None
    assert told.startswith(f"no pair was entered in {rows.height:,} decisions about a pair: ")
    often = rows.filter(pl.col("rejected") == rows["rejected"].mode()[0]).height
    assert f"({often:,})" in told
    many = pl.concat([rows[:1].with_columns(rejected=pl.lit(f"reason {name}")) for name in "AABBCCDDE"])
    assert str(explain_no_entry(many)).endswith(
        ": reason A (2); reason B (2); reason C (2); reason D (2); other reasons (1)"
    )
    assert explain_no_entry(rows[:0]) is None
    assert explain_no_entry(many.with_columns(taken=pl.int_range(9) == 3)) is None
