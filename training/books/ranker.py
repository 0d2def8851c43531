"""The ranker: scores of names, learnt walk-forward from what earlier universes went on to do.

Trained on the 730 days of decisions before, anew every 90, purged by the horizon: a decision counts once its target was
known at the close at which the model is made, by the bars that had come until then. Nothing here is chosen by looking
at a result: the parameters are fixed. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model_registry.lightgbm_text import REGRESSION, cut_text, read_trees
from model_registry.ranker_fits import (
    HORIZON_DAYS,
    RANK_FEATURES,
    RankerFit,
    RankModel,
    RidgeModel,
    Smoothed,
    TreesModel,
    rank_columns,
    score_ranks,
)
from pairity.books.families import Ranker
from pairity.books.features import choose_universe
from training.books.history_features import FeatureHistory
from training.books.rank_features import compute_targets, find_settled

Floats = NDArray[np.float64]
TRAIN_DAYS, LEAST_DAYS, ROLL_DAYS = 730, 365, 90
_RIDGE = 10.0
_TREES = 200
SEED = 17


@dataclass(frozen=True, slots=True)
class _Day:
    """One decision of the past: names of the universe, their ranked features (names × features), targets by horizon."""

    hour: int
    names: tuple[str, ...]
    ranks: Floats
    volatility: Floats
    targets: Mapping[int, Floats]
    """By all bars that ever came."""
    settled: Mapping[int, int]
    """By horizon: the row from whose decision on all bars of the targets were known."""


@dataclass(slots=True)
class WalkForwardRanker:
    """Scores of one ranker, decision by decision in the order of time; `able` are the names that may be traded."""

    history: FeatureHistory
    kind: Ranker
    able: frozenset[str]
    size: int
    made: dict[int, RankerFit] = field(default_factory=dict)
    """Models that were made already, by the row at whose close; what is made here is added."""
    learns: bool = True
    """Whether models are made; False: those of `made` score names that need not be those that they learnt from."""
    _days: list[_Day] = field(default_factory=list)
    _fitted: RankerFit | None = None
    _made_at: int | None = None
    smooth: Smoothed = field(default_factory=dict)
    """Smoothed forecasts of the newest decision."""

    def score(self, hour: int) -> dict[str, float]:
        """Return the smoothed scores of the names of the universe at row `hour`; empty before a year of decisions.

        Hours must ascend. Scores are those of `score_ranks`.
        """
        if self.learns:
            self._read_days(hour)
            today = self._days[-1]
            if self._made_at is None or hour - self._made_at >= 24 * ROLL_DAYS:
                self._fitted = self.made.get(hour) or self.fit(hour)
                if self._fitted is not None:
                    self._made_at, self.made[hour] = hour, self._fitted
        else:
            today = self._read_day(hour)
            known = [at for at in self.made if at <= hour]
            self._fitted = self.made[max(known)] if known else None
        if self._fitted is None:
            self.smooth = {}
            return {}
        scores, self.smooth = score_ranks(self._fitted.models, today.names, today.ranks, self.smooth)
        return scores

    def fit(self, hour: int) -> RankerFit | None:
        """Return the models of all horizons, made of decisions whose targets are known at the close of row `hour`.

        None before there is a year of decisions. Hours must ascend, and be whole days apart.
        """
        self._read_days(hour)
        models: dict[int, RankModel] = {}
        for days in HORIZON_DAYS:
            # The target ends at the open after its last hour, whose bar must have closed.
            known = [one for one in self._days if one.names and one.hour + 1 + 24 * days <= hour]
            known = [one for one in known if one.hour > hour - 24 * TRAIN_DAYS]
            if not known or hour - known[0].hour < 24 * LEAST_DAYS:
                return None
            rows = np.concatenate([one.ranks for one in known])
            wanted = np.concatenate([self._read_targets(one, days, hour) for one in known])
            use = ~np.isnan(wanted)
            models[days] = fit_ranker(self.kind, rows[use], wanted[use])
        return RankerFit(self.history.panel.close_of(hour), models)

    def _read_days(self, hour: int) -> None:
        """Read the decisions up to `hour`, from the first close of the panel on."""
        begin = self._days[-1].hour + 24 if self._days else hour % 24
        self._days += [self._read_day(one) for one in range(begin, hour + 1, 24)]

    def _read_day(self, hour: int) -> _Day:
        """Return a decision, which rankers of all kinds see alike."""
        days = self.history.keep("days of rankers", (self.able, self.size), dict[int, _Day])
        if hour not in days:
            days[hour] = self._describe_day(hour)
        return days[hour]

    def _describe_day(self, hour: int) -> _Day:
        panel = self.history.panel
        names, table = read_universe(self.history, hour, self.able, self.size)
        columns = [panel.names.index(name) for name in names]
        volatility = table[RANK_FEATURES.index("volatility")]
        return _Day(
            hour=hour,
            names=names,
            ranks=rank_columns(table, names),
            volatility=volatility,
            targets={days: compute_targets(panel, hour, columns, days, volatility) for days in HORIZON_DAYS},
            settled={days: find_settled(panel, hour, columns, days) for days in HORIZON_DAYS},
        )

    def _read_targets(self, day: _Day, days: int, known_at: int) -> Floats:
        """Return the targets of a decision by the bars that had come at the decision of row `known_at`."""
        if day.settled[days] <= known_at:
            return day.targets[days]
        panel = self.history.panel
        columns = [panel.names.index(name) for name in day.names]
        return compute_targets(panel, day.hour, columns, days, day.volatility, known_at)


@dataclass(slots=True)
class FrozenRanker:
    """Scores of one fit over the decisions of a history, in the order of time; `able` as of `WalkForwardRanker`."""

    history: FeatureHistory
    fit: RankerFit
    able: frozenset[str]
    size: int
    smooth: Smoothed = field(default_factory=dict)
    """Smoothed forecasts of the newest decision; those of the decision before the first one, where it was made."""

    def score(self, hour: int) -> dict[str, float]:
        """Return the smoothed scores of the names of the universe at row `hour`."""
        names, table = read_universe(self.history, hour, self.able, self.size)
        scores, self.smooth = self.fit.score(names, table, self.smooth)
        return scores


def read_universe(
    history: FeatureHistory, hour: int, able: frozenset[str], size: int
) -> tuple[tuple[str, ...], Floats]:
    """Return the names of the universe at row `hour`, sorted, and their `RANK_FEATURES` × names."""
    known = {name: one for name, one in history.name_features(hour).items() if name in able}
    names = tuple(sorted(choose_universe(known, size)))
    columns = [history.panel.names.index(name) for name in names]
    return names, history.read_columns(hour, RANK_FEATURES)[:, columns]


def fit_ranker(kind: Ranker, rows: Floats, wanted: Floats) -> RankModel:
    """Fit ranks (rows × `RANK_FEATURES`) to targets; the same rows give the same bits."""
    return _fit_ridge(rows, wanted) if kind is Ranker.RIDGE else _fit_boosting(rows, wanted)


def _fit_ridge(rows: Floats, wanted: Floats) -> RidgeModel:
    """Least squares with a penalty of 10 on every slope; an unknown rank is the middle one."""
    filled, mean = np.nan_to_num(rows), float(wanted.mean())
    gram = np.einsum("ri,rj->ij", filled, filled) + _RIDGE * np.eye(filled.shape[1])
    slopes = np.linalg.solve(gram, np.einsum("ri,r->i", filled, wanted - mean))
    return RidgeModel(mean, tuple(slopes.tolist()))


def _fit_boosting(rows: Floats, wanted: Floats) -> TreesModel:
    import lightgbm

    parameters = {
        "objective": "regression",
        "learning_rate": 0.03,
        "num_leaves": 15,
        "min_data_in_leaf": 200,
        "feature_fraction": 0.7,
        "lambda_l2": 1.0,
        "seed": SEED,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(rows, wanted, feature_name=list(RANK_FEATURES))
    text = cut_text(lightgbm.train(parameters, data, num_boost_round=_TREES).model_to_string())
    # What is stored is what speaks: the walk-forward line is that of the text, too.
    return TreesModel(text, read_trees(text, RANK_FEATURES, "the fit that was made just now", REGRESSION))
