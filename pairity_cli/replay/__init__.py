"""The replay: the trading process on recorded data over the wire, and its trades beside the backtest's."""
