"""`python -m benchmarks.traps`: what each trap of backtesting would have made of one and the same history.

Everything is measured out of sample on the data directory in `PAIRITY_HOME`: the reference forest as it is, and the
same with one mistake put in on purpose. Writes a table in Markdown to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property

import numpy as np
import polars as pl

from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME, PAIR_FOREST_FEATURES, VWAP_DISTANCE
from feature_repo.model_matrix import build_model_matrix
from feature_repo.offline_files import scan_view
from pairity.configuration import load_settings
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import Decision, MarketView, PairScore, StrategyState
from pairity.timeline import parse_instant
from training.backtest.comparison import Arena, Contender
from training.backtest.policies import Strategy
from training.backtest.ranking import RankingPolicy
from training.backtest.records import MarketHistory, Policy
from training.data.asset_training_sets import build_asset_training_set, make_asset_pair
from training.data.folds import split_purged_kfold
from training.data.history import load_history, make_store_join
from training.data.point_in_time import KNOWN, Join, select_newest_known
from training.data.splits import split_chronologically
from training.data.training_sets import TrainingSet, build_training_set
from training.evaluation.metrics import measure_classification
from training.forest_fit import fit_forest, score_test_period
from training.models import pair_forest
from training.models.families import count_third
from venue.clock import SystemClock

_FUNDING = ("base_funding", "quote_funding", "funding_diff", "funding_avg")
_KEPT_LIVE = ("z_score", "spread_rsi", "spread_roc", "base_asset", "quote_asset")
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class TrapMeasures:
    """Measures of one backtest; None where the number does not exist."""

    net: float | None = None
    sharpe: float | None = None
    trades: float | None = None
    auc: float | None = None


@dataclass(frozen=True, slots=True)
class Trap:
    """One line of the table: the same pipeline without and with the mistake."""

    number: int
    description: str
    without: TrapMeasures
    with_it: TrapMeasures


class TrapStudy:
    """The honest pipeline, and the means to change one thing about it."""

    def __init__(self, settings: Settings, join: Join, now: datetime) -> None:
        self.settings, self.join, self.now = settings, join, now
        self.training_set = build_training_set(settings, PAIR_FOREST_FEATURES, join, now)
        self.split = split_chronologically(
            self.training_set.labelled(settings.label),
            settings.model.test_fraction,
            horizon_bars=settings.label.horizon_bars,
        )
        self.history, _ = load_history(settings, join, self.split.test_start, self.training_set.last_decision, now)

    @cached_property
    def honest(self) -> Contender:
        return self.backtest(self.pipeline)

    @cached_property
    def pipeline(self) -> object:
        return fit_forest(self.split.train, self.training_set.service, self.settings)

    @cached_property
    def base(self) -> TrapMeasures:
        return self.measure(self.honest, self.compute_auc(self.pipeline, self.training_set))

    def backtest(
        self,
        pipeline: object,
        training_set: TrainingSet | None = None,
        settings: Settings | None = None,
        history: MarketHistory | None = None,
    ) -> Contender:
        scored = score_test_period(pipeline, training_set or self.training_set, self.split).scored
        return Arena(settings or self.settings, history or self.history).trade_model(scored, self.split.train_end)

    def compute_auc(self, pipeline: object, training_set: TrainingSet) -> float | None:
        """Return the area under the ROC curve on candidates of the test period."""
        scored = score_test_period(pipeline, training_set, self.split).scored.drop_nulls(["label", "probability"])
        return _compute_auc(scored.filter(pl.col("z_score").abs() > self.settings.label.z_entry), "probability")

    def measure(self, contender: Contender, auc: float | None = None) -> TrapMeasures:
        m = contender.metrics
        return TrapMeasures(m["net_return"], m["sharpe"], m["trades"], auc)

    def refit(self, training_set: TrainingSet) -> TrapMeasures:
        """Train, score and trade on changed rows."""
        split = split_chronologically(
            training_set.labelled(self.settings.label),
            self.settings.model.test_fraction,
            horizon_bars=self.settings.label.horizon_bars,
        )
        pipeline = fit_forest(split.train, training_set.service, self.settings)
        return self.measure(self.backtest(pipeline, training_set), self.compute_auc(pipeline, training_set))

    def change(self, *columns: pl.Expr) -> TrainingSet:
        return replace(self.training_set, rows=self.training_set.rows.with_columns(*columns))

    def trade_portfolio(self, rows: pl.DataFrame, column: str) -> TrapMeasures:
        """Trade the best third by `column` from one trade sheet to the next."""
        size = count_third(self.settings)
        scored = rows.filter(pl.col(EVENT_TIME) >= self.split.test_start).with_columns(
            z_score=pl.col(column), probability=pl.lit(1.0), correlation_168h=pl.lit(None, pl.Float64)
        )
        pairs = [make_asset_pair(asset) for asset in self.settings.universe.assets]
        policy = RankingPolicy(size, 0, 1)
        arena = Arena(self.settings, self.history)
        return self.measure(arena.trade_portfolio("sheet", "sheet", scored, pairs, policy, self.split.train_end))


def never_crosses(study: TrapStudy) -> Trap:
    strategy = study.settings.strategy.model_copy(update={"exit_z": -1e9})
    settings = study.settings.model_copy(update={"strategy": strategy})
    contender = study.backtest(study.pipeline, settings=settings)
    return Trap(1, "the exit `abs(z) < 0`, which never comes", study.base, study.measure(contender, study.base.auc))


def booked_on_bitcoin(study: TrapStudy) -> Trap:
    trades = study.honest.result.trades
    closes = {time: bar.close for time, bar in study.history.bars["BTC"].items()}
    total = 0.0
    for opened, closed, side, size, entry, fees, funding in trades.select(
        pl.col("opened_at").dt.round("1h"),
        pl.col("closed_at").dt.truncate("1h"),
        "side",
        "size_base",
        "entry_price",
        "fees",
        "funding",
    ).iter_rows():
        moved = closes.get(closed, np.nan) / closes.get(opened, np.nan) - 1.0
        if np.isfinite(moved):
            total += (1 if side == "buy" else -1) * size * entry * moved - fees - funding
    net = total / study.honest.result.initial_equity
    return Trap(2, "profit booked on BTC's prices", study.base, replace(study.base, net=net, sharpe=None))


def has_seen_the_test(study: TrapStudy) -> Trap:
    everything = study.training_set.labelled(study.settings.label)
    pipeline = fit_forest(everything, study.training_set.service, study.settings)
    measures = study.measure(study.backtest(pipeline), study.compute_auc(pipeline, study.training_set))
    return Trap(3, "a model that was trained on the test period too", study.base, measures)


def not_purged(study: TrapStudy) -> Trap:
    rows = study.training_set.labelled(study.settings.label).filter(pl.col(EVENT_TIME) < study.split.test_start)
    pipeline = fit_forest(rows, study.training_set.service, study.settings)
    measures = study.measure(study.backtest(pipeline), study.compute_auc(pipeline, study.training_set))
    return Trap(4, "no purge before the test period", study.base, measures)


def shuffled(study: TrapStudy) -> Trap:
    """Cross-validate inside the training rows: purged blocks of time against rows drawn at random."""
    rows = study.split.train
    folds = split_purged_kfold(rows, folds=_FOLDS, horizon_bars=study.settings.label.horizon_bars)
    purged = [_compute_fold_auc(study, fold.train, fold.test) for fold in folds]
    order = np.random.default_rng(study.settings.model.seed).integers(0, _FOLDS, rows.height)
    marked = rows.with_columns(pl.Series("__fold", order))
    drawn = [
        _compute_fold_auc(study, marked.filter(pl.col("__fold") != k), marked.filter(pl.col("__fold") == k))
        for k in range(_FOLDS)
    ]
    return Trap(
        4,
        "cross-validation over rows drawn at random instead of purged blocks",
        TrapMeasures(auc=float(np.mean(purged))),
        TrapMeasures(auc=float(np.mean(drawn))),
    )


def chosen_afterwards(study: TrapStudy) -> Trap:
    earned = study.honest.result.trades.group_by("pair_id").agg(pl.col("net_pnl").sum())
    best = earned.sort("net_pnl", "pair_id", descending=[True, False])["pair_id"].head(10).to_list()
    scored = score_test_period(study.pipeline, study.training_set, study.split).scored.filter(
        pl.col("pair_id").is_in(best)
    )
    contender = Arena(study.settings, study.history).trade_model(scored, study.split.train_end)
    return Trap(5, "only the ten pairs that did best in the test period", study.base, study.measure(contender))


def same_day(study: TrapStudy) -> Trap:
    sheets = build_asset_training_set(
        study.settings,
        VWAP_DISTANCE,
        study.join,
        study.now,
        assets=study.settings.universe.assets,
        horizon_bars=24,
        daily=True,
    ).rows
    later = sheets.with_columns(pl.col("ranked_dist").shift(-1).over("pair_id", order_by=EVENT_TIME).alias("later"))
    return Trap(
        6,
        "the day's sheet ranked by bars of the same day (VWAP distance)",
        study.trade_portfolio(later, "ranked_dist"),
        study.trade_portfolio(later, "later"),
    )


def funding_of_today(study: TrapStudy) -> Trap:
    last = [pl.col(name).drop_nulls().last().over("pair_id", order_by=EVENT_TIME).alias(name) for name in _FUNDING]
    return Trap(7, "today's funding stamped on all history", study.base, study.refit(study.change(*last)))


def fewer_columns_live(study: TrapStudy) -> Trap:
    names = [name for name in study.training_set.service.features if name not in (*_KEPT_LIVE, "correlation_168h")]
    zeros = study.change(*(pl.lit(0.0).alias(name) for name in names))
    measures = study.measure(study.backtest(study.pipeline, zeros), study.compute_auc(study.pipeline, zeros))
    return Trap(
        7,
        f"{len(names)} of {len(study.training_set.service.features)} columns filled with 0 when scoring",
        study.base,
        measures,
    )


def wrong_row(study: TrapStudy) -> Trap:
    window = study.settings.features.z_window_bars
    z = pl.col("z_score").shift(-window).over("pair_id", order_by=EVENT_TIME)
    return Trap(9, f"z-scores written {window} rows too early", study.base, study.refit(study.change(z)))


def base_units(study: TrapStudy) -> Trap:
    layout = Layout.of(study.settings)
    bars = select_newest_known(scan_view(layout, ASSET_HOURLY), ASSET_HOURLY, study.now)
    volumes = bars.select("asset", EVENT_TIME, "volume_base")
    rows = study.training_set.rows
    for side in ("base", "quote"):
        own = volumes.rename({"asset": f"{side}_asset", "volume_base": f"__{side}"})
        rows = rows.join(own, on=[f"{side}_asset", EVENT_TIME], how="left", maintain_order="left")
    ratio = pl.when(pl.col("__quote") > 0).then(pl.col("__base") / pl.col("__quote"))
    mean = ratio.rolling_mean(study.settings.features.volume_mean_bars).over("pair_id", order_by=EVENT_TIME)
    rows = rows.with_columns(ratio.alias("vol_ratio"), (ratio / mean).alias("vol_ratio_rel"))
    measures = study.refit(replace(study.training_set, rows=rows))
    return Trap(10, "volumes compared in coins instead of USDT", study.base, measures)


def failed_funding(study: TrapStudy) -> Trap:
    views = {
        hour: {name: replace(view, funding_rate=view.funding_rate or 0.0) for name, view in assets.items()}
        for hour, assets in study.history.views.items()
    }
    contender = study.backtest(study.pipeline, history=replace(study.history, views=views))
    return Trap(11, "funding that is not known taken for 0", study.base, study.measure(contender, study.base.auc))


def contracts_for_coins(study: TrapStudy) -> Trap:
    scored = score_test_period(study.pipeline, study.training_set, study.split).scored
    policy = _CoinSizes(Strategy(study.settings.strategy))
    arena = Arena(study.settings, study.history)
    pairs = study.settings.universe.pairs
    contender = arena.trade_portfolio("coins", "coins", scored, pairs, policy, study.split.train_end)
    description = (
        f"sizes in coins sent as contracts ({contender.metrics['unfilled_entries']:.0f} entries beyond the account)"
    )
    return Trap(12, description, study.base, study.measure(contender, study.base.auc))


def known_at_the_open(study: TrapStudy) -> Trap:
    names = [*study.training_set.service.features, "label"]
    moved = [pl.col(name).shift(-1).over("pair_id", order_by=EVENT_TIME).alias(name) for name in names]
    known = pl.col(KNOWN) & pl.col("z_score").shift(-1).over("pair_id", order_by=EVENT_TIME).is_not_null()
    return Trap(14, "bars stamped with their open", study.base, study.refit(study.change(*moved, known.alias(KNOWN))))


class _CoinSizes:
    """Policy that decides as if a contract were a coin."""

    protected = True

    def __init__(self, inner: Policy) -> None:
        self._inner = inner

    def decide(self, state: StrategyState, scores: Sequence[PairScore], market: MarketView) -> Decision:
        assets = {
            name: view if view.spec is None else replace(view, spec=replace(view.spec, ct_val=Decimal(1)))
            for name, view in market.assets.items()
        }
        return self._inner.decide(state, scores, replace(market, assets=assets))


def _compute_fold_auc(study: TrapStudy, train: pl.DataFrame, test: pl.DataFrame) -> float:
    pipeline = fit_forest(train, study.training_set.service, study.settings)
    candidates = test.filter(pl.col("z_score").abs() > study.settings.label.z_entry)
    probability = pair_forest.predict_probability(pipeline, build_model_matrix(candidates, study.training_set.service))
    return _compute_auc(candidates.with_columns(pl.Series("probability", probability)), "probability") or float("nan")


def _compute_auc(rows: pl.DataFrame, column: str) -> float | None:
    return measure_classification(rows["label"].to_numpy(), rows[column].to_numpy(), 0.5)["roc_auc"]


TRAPS: tuple[Callable[[TrapStudy], Trap], ...] = (
    never_crosses,
    booked_on_bitcoin,
    has_seen_the_test,
    not_purged,
    shuffled,
    chosen_afterwards,
    same_day,
    funding_of_today,
    fewer_columns_live,
    wrong_row,
    base_units,
    failed_funding,
    contracts_for_coins,
    known_at_the_open,
)


def render_table(traps: Sequence[Trap]) -> str:
    """Render a Markdown table, one line per trap: without → with."""
    formats: Mapping[str, str] = {"net": "+.1%", "sharpe": ".2f", "trades": ".0f", "auc": ".3f"}
    lines = [
        "| # | trap | net return | Sharpe | trades | AUC, candidates |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for trap in traps:
        cells = []
        for name, form in formats.items():
            before, after = getattr(trap.without, name), getattr(trap.with_it, name)
            shown = ["–" if value is None else format(value, form) for value in (before, after)]
            cells.append(f"{shown[0]} → {shown[1]}" if shown != ["–", "–"] else "–")
        lines.append(f"| {trap.number} | {trap.description} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    settings = load_settings()
    now = parse_instant(arguments[0] if arguments else "now", now=SystemClock().now(), name="known at")
    study = TrapStudy(settings, make_store_join(settings), now)
    traps = []
    for measure in TRAPS:
        traps.append(measure(study))
        print(f"{measure.__name__}: {traps[-1]}", file=sys.stderr, flush=True)
    split = study.split
    print(
        f"Test period {split.test_start:%Y-%m-%d} to {study.history.hours[-1]:%Y-%m-%d}; "
        f"{split.train.height:,} training rows, {split.purged:,} purged.\n\n{render_table(traps)}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
