"""Errors of views beside those of `pairity.errors`."""

from __future__ import annotations

from pairity.errors import ConfigError


class NotFoundError(ConfigError):
    """The thing that was asked for by name is not there."""
