"""The HTTP application of the trading process: reading over the loopback, and the frame in which others act."""
