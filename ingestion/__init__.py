"""Bytes from venues to published features."""
