"""The ranker: scores of names, learnt walk-forward from what earlier universes went on to do.

Trained on the 730 days of decisions before, anew every 90, purged by the horizon: a decision counts once its target was
known at the close at which the model is made. Nothing here is chosen by looking at a result: the parameters are fixed.
Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pairity.books.families import Ranker
from pairity.books.features import choose_universe
from pairity.books.ranks import rank_names
from training.books.history_features import FeatureHistory
from training.books.rank_features import FEATURES, HORIZON_DAYS, compute_targets

Floats = NDArray[np.float64]
Predict = Callable[[Floats], Floats]
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
    targets: Mapping[int, Floats]


@dataclass(slots=True)
class WalkForwardRanker:
    """Scores of one ranker, decision by decision in the order of time; `able` are the names that may be traded."""

    history: FeatureHistory
    kind: Ranker
    able: frozenset[str]
    size: int
    made: dict[int, dict[int, Predict]] = field(default_factory=dict)
    """Models that were made already, by the row at whose close; what is made here is added."""
    learns: bool = True
    """Whether models are made; False: those of `made` score names that need not be those that they learnt from."""
    _days: list[_Day] = field(default_factory=list)
    _models: dict[int, Predict] = field(default_factory=dict)
    _made_at: int | None = None
    _smooth: dict[tuple[int, str], float] = field(default_factory=dict)

    def score(self, hour: int) -> dict[str, float]:
        """Return the smoothed scores of the names of the universe at row `hour`; empty before a year of decisions.

        Hours must ascend. Each horizon's forecast is smoothed by s += (f − s)/days, anew for a name that was not in the
        universe at the decision before; a score is the mean of both.
        """
        if self.learns:
            self._read_days(hour)
            today = self._days[-1]
            if self._made_at is None or hour - self._made_at >= 24 * ROLL_DAYS:
                self._fit(hour)
        else:
            today = self._read_day(hour)
            self._models = self.made[max(known)] if (known := [at for at in self.made if at <= hour]) else {}
        if not self._models or not today.names:
            self._smooth = {}
            return {}
        smooth: dict[tuple[int, str], float] = {}
        for days, predict in self._models.items():
            for name, forecast in zip(today.names, predict(today.ranks).tolist(), strict=True):
                before = self._smooth.get((days, name))
                smooth[days, name] = forecast if before is None else before + (forecast - before) / days
        self._smooth = smooth
        return {name: sum(smooth[days, name] for days in self._models) / len(self._models) for name in today.names}

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
        known = {name: one for name, one in self.history.name_features(hour).items() if name in self.able}
        names = tuple(sorted(choose_universe(known, self.size)))
        columns = [panel.names.index(name) for name in names]
        table = self.history.read_columns(hour, FEATURES)[:, columns]
        volatility = table[FEATURES.index("volatility")]
        targets = {days: compute_targets(panel, hour, columns, days, volatility) for days in HORIZON_DAYS}
        return _Day(hour, names, rank_columns(table, names), targets)

    def _fit(self, hour: int) -> None:
        """Make the models of all horizons from decisions whose targets are known at the close of row `hour`."""
        if hour in self.made:
            self._models, self._made_at = self.made[hour], hour
            return
        self._models = {}
        for days in HORIZON_DAYS:
            # The target ends at the open after its last hour, whose bar must have closed.
            known = [one for one in self._days if one.names and one.hour + 1 + 24 * days <= hour]
            known = [one for one in known if one.hour > hour - 24 * TRAIN_DAYS]
            if not known or hour - known[0].hour < 24 * LEAST_DAYS:
                self._models = {}
                return
            rows = np.concatenate([one.ranks for one in known])
            wanted = np.concatenate([one.targets[days] for one in known])
            use = ~np.isnan(wanted)
            self._models[days] = fit_ranker(self.kind, rows[use], wanted[use])
        self._made_at, self.made[hour] = hour, self._models


def rank_columns(table: Floats, names: Sequence[str]) -> Floats:
    """Return features × names as ranks within the universe, names × features; NaN where a name has no value."""
    ranks = np.full((len(names), len(table)), np.nan)
    for place, row in enumerate(table):
        known = {name: float(value) for name, value in zip(names, row, strict=True) if not np.isnan(value)}
        found = rank_names(known)
        ranks[:, place] = [found.get(name, np.nan) for name in names]
    return ranks


def fit_ranker(kind: Ranker, rows: Floats, wanted: Floats) -> Predict:
    """Fit ranks to targets and return the forecast of a function of ranks; the same rows give the same bits."""
    return _fit_ridge(rows, wanted) if kind is Ranker.RIDGE else _fit_boosting(rows, wanted)


def _fit_ridge(rows: Floats, wanted: Floats) -> Predict:
    """Least squares with a penalty of 10 on every slope; an unknown rank is the middle one."""
    filled, mean = np.nan_to_num(rows), float(wanted.mean())
    gram = np.einsum("ri,rj->ij", filled, filled) + _RIDGE * np.eye(filled.shape[1])
    slopes = np.linalg.solve(gram, np.einsum("ri,r->i", filled, wanted - mean))
    return lambda ranks: mean + np.einsum("ri,i->r", np.nan_to_num(ranks), slopes)


def _fit_boosting(rows: Floats, wanted: Floats) -> Predict:
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
    model = lightgbm.train(parameters, lightgbm.Dataset(rows, wanted), num_boost_round=_TREES)

    def predict(ranks: Floats) -> Floats:
        forecast: Floats = np.asarray(model.predict(ranks, num_threads=1), dtype=np.float64)
        return forecast

    return predict
