"""Outlooks of pairs, walk-forward: models of what earlier pairs earned, and the margin that their folds paid for.

Decisions at 00:00 UTC are learnt from, whatever the hours at which the book decides. Models are made a year after the
first outcome, and every 90 days from then on; which one speaks depends on the date alone. A decision counts once its
outcome was known at the close at which a model is made. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from model_registry.outcome_fits import (
    PAIR_FEATURES,
    OutcomeFit,
    OutcomeTrees,
    forecast_edges,
    list_pairs,
    tabulate_outcomes,
)
from model_registry.ranker_fits import RANK_FEATURES
from pairity.books.continuation import PairNames
from pairity.books.families import OutcomeModel
from pairity.books.outcomes import HORIZONS, Outlook
from training.books.account import BookCosts
from training.books.history_features import FeatureHistory
from training.books.outcome_models import LEAST_ROWS, MARGINS, choose_margin, fit_outcomes
from training.books.pair_outcomes import Outcomes, compute_round_trip, measure_outcomes
from training.books.ranker import read_universe

Floats = NDArray[np.float64]
TRAIN_DAYS, LEAST_DAYS, ROLL_DAYS, FOLDS = 730, 365, 90, 3
_CLIP = 4.0
_DAY = 24
_SPARSE = 48
"""Hours of holding per day between the decisions that are learnt from: outcomes that overlap more repeat each other."""


@dataclass(frozen=True, slots=True)
class PairDay:
    """One decision: the universe (sorted), features and risks of its pairs both ways, and what they earned."""

    hour: int
    names: tuple[str, ...]
    volatilities: Floats
    features: Floats
    """Rows of `place_pairs` × `PAIR_FEATURES`."""
    risks: Floats
    """Hourly deviation of each row's pair, gross 1."""
    outcomes: dict[int, Outcomes] = field(default_factory=dict)
    """By horizon, as far as they were asked for."""


@dataclass(slots=True)
class PairDays:
    """Decisions of the pairs of a universe over history; `able` are the names that may be traded."""

    history: FeatureHistory
    able: frozenset[str]
    size: int
    costs: BookCosts
    _midnights: list[PairDay] = field(default_factory=list)

    def list_names(self, hour: int) -> tuple[str, ...]:
        """Return the universe at the close of row `hour`, sorted."""
        return read_universe(self.history, hour, self.able, self.size)[0]

    def read(self, hour: int) -> PairDay:
        """Return the decision at the close of row `hour`."""
        names, table = read_universe(self.history, hour, self.able, self.size)
        if len(names) < 2:
            return PairDay(
                hour=hour,
                names=names,
                volatilities=np.empty(0),
                features=np.empty((0, len(PAIR_FEATURES))),
                risks=np.empty(0),
            )
        features, risks = tabulate_outcomes(names, table, self.history.pair_columns(hour, names))
        return PairDay(
            hour=hour,
            names=names,
            volatilities=table[RANK_FEATURES.index("volatility")],
            features=features,
            risks=risks,
        )

    def list_until(self, hour: int) -> list[PairDay]:
        """Return the decisions at 00:00 UTC up to row `hour`, read once each."""
        panel, days = self.history.panel, self._midnights
        begin = days[-1].hour + _DAY if days else (-panel.start.hour) % _DAY
        days += [self.read(one) for one in range(begin, hour + 1, _DAY)]
        return [one for one in days if one.hour <= hour]

    def measure(self, day: PairDay, hours: int) -> Outcomes:
        """Return what the pairs of a decision earned over a holding of `hours`."""
        if hours not in day.outcomes:
            panel = self.history.panel
            day.outcomes[hours] = measure_outcomes(panel, day.hour, day.names, day.volatilities, hours, self.costs)
        return day.outcomes[hours]


@dataclass(slots=True)
class WalkForwardOutcomes:
    """Outlooks of one kind of model over the decisions of `days`."""

    days: PairDays
    kind: OutcomeModel
    _fitted: dict[int, OutcomeFit] = field(default_factory=dict)
    _begun: int | None = None
    _passed: int = 0
    """Decisions whose outcome was looked for, and that had none."""

    def look(self, hour: int) -> dict[PairNames, Outlook | None]:
        """Return what is worth holding of each pair of the universe at row `hour`.

        None of every pair before there is a year of outcomes, and where no margin paid in the folds of the model.
        """
        midnights = self.days.list_until(hour)
        today = midnights[-1] if midnights and midnights[-1].hour == hour else self.days.read(hour)
        return self._look_at(today)

    def look_among(self, days: PairDays, hour: int) -> dict[PairNames, Outlook | None]:
        """Return the same of the names of `days`, which need not be those that the models learnt from."""
        fitted = self._find(hour)
        if fitted is None or fitted.margin is None:
            return dict.fromkeys(list_pairs(days.list_names(hour)))
        return self._look_at(days.read(hour))

    def _look_at(self, today: PairDay) -> dict[PairNames, Outlook | None]:
        fitted = self._find(today.hour)
        if fitted is None:
            return dict.fromkeys(list_pairs(today.names))
        return fitted.choose(today.names, today.features, today.risks)

    def list_margins(self) -> dict[int, float | None]:
        """Return the margins of the models that were made, by the row at whose close each was."""
        return {made_at: self._fitted[made_at].margin for made_at in sorted(self._fitted)}

    def _find(self, hour: int) -> OutcomeFit | None:
        """Return the models that speak at row `hour`; None before the first."""
        begun = self._find_first_outcome(hour)
        if begun is None or not self.has_learnt(hour):
            return None
        rolled = (hour - begun - _DAY * LEAST_DAYS) // (_DAY * ROLL_DAYS)
        made_at = begun + _DAY * (LEAST_DAYS + ROLL_DAYS * rolled)
        if made_at not in self._fitted:
            self._fitted[made_at] = self.fit(made_at)
        return self._fitted[made_at]

    def _find_first_outcome(self, hour: int) -> int | None:
        """Return the row of the first decision with an outcome of the longest holding that came within the year."""
        if self._begun is None:
            longest = max(HORIZONS)
            for day in self.days.list_until(hour)[self._passed :]:
                if day.hour + 1 + longest > hour:
                    break
                self._passed += 1
                outcomes = self.days.measure(day, longest)
                if (~np.isnan(outcomes.net) & (outcomes.known <= day.hour + _DAY * LEAST_DAYS)).any():
                    self._begun = day.hour
                    break
        return self._begun

    def has_learnt(self, hour: int) -> bool:
        """Return whether there is a year of outcomes at row `hour`, from which on models are made."""
        begun = self._find_first_outcome(hour)
        return begun is not None and hour - begun >= _DAY * LEAST_DAYS

    def fit(self, made_at: int) -> OutcomeFit:
        """Make the models from decisions whose outcomes were known at the close of row `made_at`."""
        days = [one for one in self.days.list_until(made_at) if one.hour > made_at - _DAY * TRAIN_DAYS]
        judged = [one for one in days if one.hour + 1 + max(HORIZONS) <= made_at]
        earned: dict[float, list[float]] = {margin: [] for margin in MARGINS}
        for block in split_blocks(judged, FOLDS):
            models = self._learn([one for one in days if not overlaps(one.hour, block)], block, made_at)
            for day, edges in zip(block, _forecast(models, block), strict=True):
                for margin, own in self._earn(edges, day, made_at).items():
                    earned[margin].append(own)
        chosen = choose_margin(earned, max(HORIZONS) // _DAY)
        # Without a margin nothing is traded, whatever the models would say.
        models = {} if chosen is None else self._learn(days, (), made_at)
        close = self.days.history.panel.close_of(made_at)
        return OutcomeFit(close, models, chosen, compute_round_trip(self.days.costs))

    def _learn(self, days: Sequence[PairDay], block: Sequence[PairDay], made_at: int) -> dict[int, OutcomeTrees]:
        """Fit a model per horizon on `days`, without outcomes that reach into `block`."""
        models: dict[int, OutcomeTrees] = {}
        for hours in HORIZONS:
            every = max(1, hours // _SPARSE)
            parts = []
            for one in days:
                reach = one.hour + 1 + hours
                into = bool(block) and one.hour < block[0].hour < reach
                if one.names and reach <= made_at and not into and one.hour // _DAY % every == 0:
                    ways = choose_ways(one)
                    parts.append((one.features[ways], self._scale(one, hours, made_at)[ways]))
            if not parts:
                continue
            rows, wanted = (np.concatenate(columns) for columns in zip(*parts, strict=True))
            use = ~np.isnan(wanted)
            if use.sum() >= LEAST_ROWS:
                models[hours] = fit_outcomes(self.kind, rows[use], wanted[use])
        return models

    def _scale(self, day: PairDay, hours: int, made_at: int) -> Floats:
        """Return outcomes over risk·√hours, clipped to ±4; NaN where one was not known at row `made_at`."""
        outcomes = self.days.measure(day, hours)
        risk = np.where(day.risks > 0, day.risks, np.nan) * hours**0.5
        return np.clip(np.where(outcomes.known <= made_at, outcomes.net / risk, np.nan), -_CLIP, _CLIP)

    def _earn(self, edges: Mapping[int, Floats], day: PairDay, made_at: int) -> dict[float, float]:
        """Return, by margin, what the pairs above it earned a day, all pairs of the universe counted."""
        trip, pairs = compute_round_trip(self.days.costs), len(day.risks) // 2
        totals = dict.fromkeys(MARGINS, 0.0)
        if not pairs or not edges:
            return totals
        hours = np.array(list(edges))
        said = np.array(list(edges.values()))
        net = np.array([self._read_known(day, one, made_at) for one in hours.tolist()])
        # (Horizons, both ways) × pairs: the best per hour of each pair, as `choose_outlook` takes it.
        by_pair = [np.concatenate([table[:, :pairs], table[:, pairs:]]) for table in (said, net)]
        spans = np.tile(hours, 2)[:, None]
        for margin in MARGINS:
            able = by_pair[0] > margin * trip
            rates = np.where(able, by_pair[0] / spans, -np.inf)
            best = rates.argmax(axis=0)
            taken = able[best, np.arange(pairs)]
            own = (by_pair[1] / spans)[best, np.arange(pairs)]
            totals[margin] = float(np.nan_to_num(own[taken]).sum()) * _DAY / pairs
        return totals

    def _read_known(self, day: PairDay, hours: int, made_at: int) -> Floats:
        outcomes = self.days.measure(day, hours)
        return np.where(outcomes.known <= made_at, outcomes.net, np.nan)


def look_at_pairs(
    history: FeatureHistory, fit: OutcomeFit, able: frozenset[str], size: int, hour: int
) -> dict[PairNames, Outlook | None]:
    """Return what one fit says is worth holding of each pair of the universe at row `hour`."""
    names, table = read_universe(history, hour, able, size)
    return fit.look(names, table, history.pair_columns(hour, names))


def open_outcomes(
    history: FeatureHistory, kind: OutcomeModel, able: frozenset[str], size: int, costs: BookCosts
) -> WalkForwardOutcomes:
    """Return the outlooks of one kind of model, with the models that were made of this history already."""
    key = able, size, costs
    days = history.keep("days of pairs", key, lambda: PairDays(history, able, size, costs))
    return history.keep(f"outcomes by {kind}", key, lambda: WalkForwardOutcomes(days, kind))


def split_blocks(days: Sequence[PairDay], count: int) -> list[Sequence[PairDay]]:
    """Return the days in `count` blocks that follow each other, of as equal length as can be; none is empty."""
    places = np.linspace(0, len(days), count + 1).round().astype(int).tolist()
    return [days[begin:end] for begin, end in pairwise(places) if end > begin]


def overlaps(hour: int, block: Sequence[PairDay]) -> bool:
    """Return whether a decision lies in a block, or so close behind it that outcomes of the block reach beyond it."""
    return block[0].hour <= hour <= block[-1].hour + 1 + max(HORIZONS)


def choose_ways(day: PairDay) -> NDArray[np.int64]:
    """Return the rows of a decision that are learnt from: each pair one way, the other way at the next decision.

    Both ways of a pair say the same outcome but for costs: no outcome counts twice.
    """
    pairs = len(day.risks) // 2
    places = np.arange(pairs)
    return places + pairs * ((places + day.hour // _DAY) % 2)


def _forecast(models: Mapping[int, OutcomeTrees], days: Sequence[PairDay]) -> list[dict[int, Floats]]:
    """Return, per day, the edges of `forecast_edges`, in the rows of `place_pairs`."""
    features = np.concatenate([one.features for one in days])
    ends = np.cumsum([len(one.features) for one in days])[:-1]
    found: list[dict[int, Floats]] = [{} for _ in days]
    for hours, edges in forecast_edges(models, features, np.concatenate([one.risks for one in days])).items():
        for own, part in zip(found, np.split(edges, ends), strict=True):
            own[hours] = part
    return found
