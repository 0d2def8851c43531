"""The report of one training run, as the command line prints it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from model_registry.records import ModelRef
from training.backtest.comparison import Contender
from training.backtest.grid import GridResult
from training.promotion.promotion import GateOutcome


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What one training run did. Metrics are None where they are not defined."""

    rows: int
    """Decisions in the history; `labelled_rows` of them have a complete label and were selected to learn from."""
    labelled_rows: int
    train_rows: int
    test_rows: int
    purged_rows: int
    effective_pairs: float | None
    """How many pairs that move on their own the training rows' pairs are worth."""
    kept_back_rows: int
    """Rows at hours that the gate did not look at; 0 where it did."""
    train_positives: int
    test_positives: int
    train_start: datetime
    train_end: datetime
    """Last instant that the judged model has seen (end of the last training label), before `test_start`."""
    test_start: datetime
    test_end: datetime
    classification: dict[str, float | None]
    """Metrics of all labelled test rows."""
    classification_candidates: dict[str, float | None]
    """The same on candidate rows (|z| > z_entry) only: elsewhere a label is 0 by definition, and a model that
    knows nothing but |z| looks good over all rows."""
    backtests: dict[str, dict[str, float | None]]
    """Metrics per contender (`model`, `baseline`, `always_revert`, `btc`), the same keys for each; a contender may be
    absent, with a note."""
    contender_names: dict[str, str]
    differences: dict[str, float | None]
    """`model_sharpe_over_KEY` and its `_low` and `_high` (95%), for each other contender."""
    per_pair: pl.DataFrame
    """Backtest of the model by pair, best net profit first."""
    notes: tuple[str, ...]
    training_digest: str
    snapshot_id: str
    model: ModelRef
    grid: GridResult
    """The reference grid of the strategy's settings on the same scores: all of them count as trials."""
    drift: pl.DataFrame
    """Scores and features of the test period against training (`training.evaluation.drift.DRIFT_SCHEMA`)."""
    overfitting: float | None
    """Share of splits in which the grid's best by net return is not above the median out of sample; None where too
    little varies."""
    outcome: GateOutcome
    """The gate's verdict, and whether the model is champion now."""
    judged: Contender
    """The model over the hours that it was judged by."""
    files: tuple[Path, ...]
    stage_seconds: dict[str, float] = field(default_factory=dict)
