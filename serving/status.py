"""Status of the trading process: what the loop says of itself, cycle by cycle, for everybody who asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DECIDING = "deciding"
"""State of the process while a decision is being made and carried out."""
STOPPED = "stopped"
"""State of the process once it has ended: it may still answer, but it looks at nothing and carries nothing out."""


@dataclass
class Status:
    """Status of the process: updated by the loop cycle by cycle, read by the endpoints."""

    mode: str
    market: str
    model: dict[str, str]
    challenger: dict[str, str] | None = None
    """The version that is scored in shadow, and whether that worked; None without one."""
    retraining: str | None = None
    """When the next retraining is due, or how the last one ended; None where the process does not retrain."""
    state: str = "starting"
    trading: str = "trading"
    """State of the process: trading, guarding (no entries) or halted (until a person lifts it)."""
    trading_reason: str = ""
    trading_since: str | None = None
    causes: dict[str, str] = field(default_factory=dict)
    """What the process guards for, by name, with the reason."""
    blocked: dict[str, str] = field(default_factory=dict)
    """Instruments in which nothing is opened, with the reason."""
    stream: dict[str, Any] | None = None
    """State of the account's stream: since when, when it was last heard, how often it connected, why it is not open.

    None where there is none: it is a help, and nothing depends on it.
    """
    lease: str | None = None
    """What became of the last sign of life on the account; None where none are given."""
    watched: str | None = None
    """When the venue was last looked at with success."""
    cycles: int = 0
    decision_time: str | None = None
    event_timestamp: str | None = None
    action: str | None = None
    reason: str | None = None
    equity_usdt: float | None = None
    available_usdt: float | None = None
    positions: list[dict[str, Any]] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
