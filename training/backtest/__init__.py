"""Backtest: the strategy's own decision function over closed bars, bar by bar, with costs always on."""
