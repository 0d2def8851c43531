"""View of the model that decides: the gate's verdict, drift, and its live result beside the backtest's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from pairity.errors import RegistryError
from serving.models.shadow_summary import summarise_newest
from serving.views.base import Inputs, View
from serving.views.name_trades import list_closed_trips
from serving.views.status import ModelLine, view_model_line

_FEWEST = 10
"""Fewer trades, live or in the backtest, say nothing about each other."""
_DRAWS = 2000
_LOW, _HIGH = 0.05, 0.95
_SHADOWED = 500
_MOST_RANKED = 10
"""Features, and pairs, that drifted furthest."""
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MOST_BYTES = 20_000_000


class ChampionView(ModelLine):
    """The version that decides, as it was registered."""

    family: str | None
    feature_service: str | None
    code_revision: str | None
    promoted_at: str | None
    promotion_reason: str | None


class GateCheck(View):
    """One check of the promotion gate, in words."""

    check: str
    value: str
    threshold: str
    passed: bool


class FeatureDrift(View):
    """Share of one feature's values far outside of training's."""

    feature: str
    share: float


class PairDrift(View):
    """Share of one pair's values far outside of training's."""

    pair: str
    share: float


class DriftView(View):
    """Drift of the inputs at the last decision."""

    at: datetime | None
    share: float | None
    limit: float
    worst: list[FeatureDrift]
    worst_pairs: list[PairDrift]


class Band(View):
    """Result of as many trades as there were live, drawn from the backtest's own: 5%, 50% and 95%, in USDT."""

    low: float
    median: float
    high: float


class LiveResult(View):
    """Result of the trades that this version opened, beside what its backtest expects of as many.

    Trades of a book are round trips of its names; what its backtest earned counts at the equity of now.
    """

    trades: int
    result_usdt: float
    expected: Band | None
    verdict: Literal["inside", "outside", "too few"]


class ShadowView(View):
    """The challenger beside the champion, over the newest decisions that both scored."""

    champion: str
    challenger: str
    decisions: int
    failed: int
    correlation: float | None
    mean_difference: float | None
    other_choice: int
    other_share: float | None
    last_failure: str | None


class ModelView(View):
    """Champion, challenger, gate, drift and live result."""

    champion: ChampionView
    challenger: dict[str, Any] | None
    gate: list[GateCheck] = Field(description="Empty where the gate was not asked.")
    drift: DriftView
    live: LiveResult
    shadow: ShadowView | None


def view_model(seen: Inputs) -> ModelView:
    """Return the model that decides, and how it does."""
    return ModelView(
        champion=_view_champion(seen),
        challenger=seen.status.challenger,
        gate=_list_checks(seen),
        drift=_view_drift(seen),
        live=_view_live(seen),
        shadow=_view_shadow(seen),
    )


def _view_champion(seen: Inputs) -> ChampionView:
    model = seen.sightings.model
    tags = {} if model is None else model.tags
    return ChampionView(
        **view_model_line(seen).model_dump(),
        family=None if model is None else model.family,
        feature_service=None if model is None else model.feature_service,
        code_revision=tags.get("code_revision"),
        promoted_at=tags.get("promoted_at"),
        promotion_reason=tags.get("promotion_reason"),
    )


def _list_checks(seen: Inputs) -> list[GateCheck]:
    model = seen.sightings.model
    try:
        verdict = None if model is None else model.verdict
    except RegistryError:
        verdict = None  # the champion's `gate_reason` says so
    checks = () if verdict is None else verdict.checks
    return [
        GateCheck(check=check.name, value=check.actual, threshold=check.needed, passed=check.passed) for check in checks
    ]


def _view_drift(seen: Inputs) -> DriftView:
    drift = seen.sightings.drift
    features = {} if drift is None else drift.by_feature
    pairs = {} if drift is None else drift.by_pair
    return DriftView(
        at=None if drift is None else drift.at,
        share=None if drift is None else drift.share,
        limit=seen.settings.limits.drift,
        worst=[FeatureDrift(feature=name, share=share) for name, share in _rank(features)],
        worst_pairs=[PairDrift(pair=name, share=share) for name, share in _rank(pairs)],
    )


def _rank(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return [(name, share) for name, share in ranked[:_MOST_RANKED] if share > 0]


_RESULTS = """
    SELECT p.pnl_usdt, p.fees_usdt, p.funding_usdt FROM positions AS p
    WHERE p.closed_at IS NOT NULL AND p.pnl_usdt IS NOT NULL AND p.fees_usdt IS NOT NULL AND p.funding_usdt IS NOT NULL
        AND EXISTS (SELECT 1 FROM intents AS i JOIN decisions AS d ON d.decision_id = i.decision_id
            WHERE i.position_id = p.position_id AND i.purpose = 'entry'
                AND d.model_version = :version AND d.model_sha256 = :sha256)
"""


_DECIDED = "SELECT decision_id FROM decisions WHERE model_version = :version AND model_sha256 = :sha256"


def _view_live(seen: Inputs) -> LiveResult:
    status = seen.status.model
    named = {"version": status.get("version", ""), "sha256": status.get("sha256", "")}
    rows = seen.journal.ask(_RESULTS, **named)
    results = [sum(map(Decimal, row.values()), Decimal(0)) for row in rows]
    own = {row["decision_id"] for row in seen.journal.ask(_DECIDED, **named)}
    trips = [one.realised_usdt for one in list_closed_trips(seen.journal) if one.entry_decision in own]
    results += [one for one in trips if one is not None]
    result = float(sum(results, Decimal(0)))
    expected = draw_band(_read_backtest(seen), len(results))
    if expected is None or len(results) < _FEWEST:
        verdict: Literal["inside", "outside", "too few"] = "too few"
    else:
        verdict = "inside" if expected.low <= result <= expected.high else "outside"
    return LiveResult(trades=len(results), result_usdt=result, expected=expected, verdict=verdict)


def draw_band(results: list[float], trades: int) -> Band | None:
    """Return the band in which the sum of `trades` results lies that are drawn, with replacement, from `results`.

    The same inputs give the same band. None where there are too few results, or no trades.
    """
    if len(results) < _FEWEST or not trades:
        return None
    draws = np.random.default_rng(0).choice(np.array(results), size=(_DRAWS, min(trades, 5000)))
    sums = draws.sum(axis=1) * (trades / min(trades, 5000))
    low, median, high = np.quantile(sums, [_LOW, 0.5, _HIGH]).tolist()
    return Band(low=low, median=median, high=high)


def _read_backtest(seen: Inputs) -> list[float]:
    """Return the net results of the backtest's positions, in USDT; empty where the run's file cannot be read.

    Of a book, whose sizes are fractions of its equity, at the equity of its newest decision instead of the backtest's.
    """
    run_id = seen.status.model.get("run_id", "")
    if not _RUN_ID.fullmatch(run_id):
        return []
    folder = seen.layout.mlflow / "artifacts" / run_id / "artifacts"
    model = seen.sightings.model
    book = seen.journal.books.newest() if model is not None and model.is_book else None
    try:
        rows = _read_table(folder / "trades_model.csv", ["position_id", "net_pnl"])
        sums = rows.group_by("position_id", maintain_order=True).agg(pl.col("net_pnl").cast(pl.Float64).sum())
        scale = 1.0
        if book is not None and rows.height:
            begun = _read_table(folder / "equity_model.csv", ["equity"])["equity"].cast(pl.Float64)
            scale = book.equity_usdt / begun[0]
    except (OSError, IndexError, ZeroDivisionError, pl.exceptions.PolarsError):
        return []
    return [value * scale for value in sums["net_pnl"].to_list() if value is not None and np.isfinite(value)]


def _read_table(path: Path, columns: list[str]) -> pl.DataFrame:
    """Return columns of a file of the run; OSError where it is not there, or too large for one."""
    if path.stat().st_size > _MOST_BYTES:
        raise OSError(f"{path} is too large")
    return pl.read_csv(path, columns=columns)


def _view_shadow(seen: Inputs) -> ShadowView | None:
    """Return the newest couple of versions that were compared; None where no challenger was ever scored."""
    compared = summarise_newest(seen.journal, seen.journal.newest_decisions(_SHADOWED))
    if not compared:
        return None
    last = compared[-1]
    return ShadowView(
        champion=last.champion,
        challenger=last.challenger,
        decisions=last.decisions,
        failed=last.failed,
        correlation=last.correlation,
        mean_difference=last.mean_difference,
        other_choice=last.other_choice,
        other_share=last.other_share,
        last_failure=last.last_failure,
    )
