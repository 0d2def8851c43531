"""The venue as every process reaches it: the one checked OKX client, the reading of its answers, and the clocks."""
