"""Data of a training: point-in-time training sets, the market history of a backtest, splits and folds."""
