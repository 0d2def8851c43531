"""The report of a training of one book, as the command line prints it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from model_registry.records import ModelRef
from training.backtest.comparison import Contender
from training.books.evidence import Certainty, Variation
from training.promotion.promotion import GateOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTrainReport:
    """What one training of a book did. Metrics are None where they are not defined."""

    family: str
    universe: datetime
    """First close at which there is something to choose from."""
    fitted_at: datetime | None
    """Close at which what is registered was fitted; None for a book that learns nothing."""
    test_start: datetime
    test_end: datetime
    kept_back_hours: int
    """Hours that the gate did not look at; 0 where it did."""
    backtests: Mapping[str, Mapping[str, float | None]]
    """Metrics per contender (`model`: the book, `baseline`, `always_revert`, `btc`), the same keys for each."""
    contender_names: Mapping[str, str]
    differences: Mapping[str, float | None]
    """`model_sharpe_over_KEY` and its `_low` and `_high` (95%), for each other contender."""
    certainty: Certainty | None
    years: tuple[tuple[int, float, float | None], ...]
    """Year, net return, Sharpe ratio."""
    costs: tuple[Variation, ...]
    """The book at multiples of the costs."""
    notes: tuple[str, ...]
    market_digest: str
    """Digest of the bars and settlements that it was judged on."""
    snapshot_id: str
    registration: str | None
    """Name of the newest pre-registration of the family; None without any."""
    model: ModelRef
    outcome: GateOutcome
    """The gate's verdict, and whether the book is champion now."""
    judged: Contender
    """The book over the hours that it was judged by."""
    files: tuple[Path, ...]
    stage_seconds: dict[str, float] = field(default_factory=dict)
