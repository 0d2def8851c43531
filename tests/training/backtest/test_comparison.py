from pairity.settings import CostSettings, Settings, StrategySettings
from training.backtest.comparison import make_terms


def test_a_backtest_begins_with_the_capital_of_the_strategy_unless_told_otherwise():
    strategy = StrategySettings(max_position_usdt=700.0, leverage=3)
    found = make_terms(Settings(strategy=strategy))
    assert (found.initial_equity, found.leverage, found.fill_model) == (700.0, 3, "next_open_taker")
    costs = CostSettings(initial_equity_usdt=5000.0, fill_model="limit_maker", maker_fee_bps=1.5)
    found = make_terms(Settings(strategy=strategy, costs=costs))
    assert (found.initial_equity, found.fill_model, found.maker_fee_bps) == (5000.0, "limit_maker", 1.5)
