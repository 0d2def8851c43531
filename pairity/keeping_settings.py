"""Settings of what the trading process keeps: its log, and the details of its journal."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from pairity.setting_types import Section


class LogSettings(Section):
    """The log of the trading process, `logs/serve.jsonl` in the data directory."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written; warnings and errors of libraries are written in any case but `error`."""
    max_mb: Annotated[float, Field(ge=0.01, le=1000)] = 10.0
    """Size in MB (10⁶ bytes) at which a file is closed and the next one begun."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 10
    """Files that are kept, the one being written among them; older ones are removed."""


class RetentionSettings(Section):
    """How long details stay in the journal. Nothing is ever lost: what leaves it goes to an archive beside it."""

    feature_vectors_days: PositiveInt | None = None
    """Age in days at which a decision's feature vectors move to the archive. None: they stay in the journal."""
