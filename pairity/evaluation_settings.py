"""Settings of judging: walk-forward folds, the gate in front of trading, limits of books, where trials are counted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pairity.setting_types import DataDirectory, Fraction, Section


class EvaluationSettings(Section):
    """Walk-forward folds of `pairity leaderboard`, in hourly bars."""

    train_bars: Annotated[int, Field(ge=24)] = 4380
    """Bars before the first test period: half a year."""
    test_bars: Annotated[int, Field(ge=24)] = 2190
    rolling: bool = False
    """Train on the last `train_bars` only, instead of on all before the test."""


class GateSettings(Section):
    """Promotion gate: what a model must show before it is promoted (see training.promotion.gate)."""

    net_return_min: float = 0.0
    trades_min: Annotated[int, Field(ge=0)] = 30
    deflated_sharpe_min: Annotated[float, Field(ge=0, le=1)] = 0.95
    superior_p_max: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Largest p-value of the stepwise test of the model among all trials over the same hours."""
    ahead_min: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Least probability that its Sharpe ratio is above that of each null: baseline, rule without a model, one coin."""
    last_look: Fraction = 0.33
    """Share of the test period, its end, that is looked at once, by the gate alone."""


class BookSettings(Section):
    """Limits of books of many names (see pairity.books.limits; not set: no such step), and the stops of live ones."""

    volatility_target: Annotated[float, Field(gt=0, le=5)] | None = None
    """Annualised volatility to which a book is scaled, by at most 1.5, from sixty days of the unscaled one."""
    gross_max: Annotated[float, Field(gt=0, le=10)] | None = None
    """Most Σ|w|, in times of equity."""
    net_max: Annotated[float, Field(ge=0, le=10)] | None = None
    """Most |Σw|, in times of equity."""
    disaster_stop: Annotated[float, Field(ge=0.05, lt=1)] = 0.3
    """Relative distance of each name's stop on the venue from the close of the last decision (trading process)."""


class TrialSettings(Section):
    """Ledger of all trials (see training.trials.ledger)."""

    folder: DataDirectory | None = None
    """Its folder, shared by all data directories; not set: `$XDG_STATE_HOME/pairity/trials` (`~/.local/state/…`)."""
