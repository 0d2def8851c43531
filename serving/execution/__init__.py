"""The venue port and its OKX adapter."""
