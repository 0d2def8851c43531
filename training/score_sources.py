"""Sources of scores for backtests that train nothing: a rule, a registered version, the scores of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from feature_repo.catalog import EVENT_TIME
from feature_repo.model_matrix import build_model_matrix
from model_registry.loading import load_estimator
from model_registry.records import ModelRef
from model_registry.registry import find_alias, find_version
from model_registry.signatures import Verifier
from pairity.books.families import BOOK_FAMILIES
from pairity.errors import ConfigError, UnknownNameError
from pairity.layout import Layout
from pairity.names import VERSION
from pairity.settings import Settings, StrategySettings
from pairity.timeline import HOUR
from pairity.universe import Pair
from training.backtest.policies import make_baseline_strategy
from training.backtest.records import Policy
from training.data.decisions import join_decisions
from training.data.point_in_time import KNOWN, Join
from training.data.training_sets import choose_pair_service
from training.models import pair_forest
from training.models.families import FAMILIES, Family, find_family
from training.reports.score_files import find_run, read_scores
from training.walk_forward import list_traded_pairs

_TWO_LEGS = "_two_legs"
_COLUMNS = [
    "pair_id",
    EVENT_TIME,
    "z_score",
    "correlation_168h",
    "hedge_ratio",
    KNOWN,
    "probability",
    "threshold",
    "train_end",
]
_INSTANT = pl.Datetime("us", "UTC")
RULES = ("always_revert", "zero_forecast")
"""Families that learn nothing and give every pair a probability."""


@dataclass(frozen=True, slots=True)
class TradedScores:
    """Scores over a range, and who trades them."""

    rows: pl.DataFrame
    """As `inputs.group_scores_by_hour` takes them: pair_id, event_timestamp, z_score, correlation_168h, hedge_ratio,
    known, probability, threshold, train_end."""
    pairs: tuple[Pair, ...]
    strategy: StrategySettings | None
    """Settings of the strategy of pairs; None where `policy` trades single assets."""
    policy: Policy | None = None


class ScoreSource(Protocol):
    """What gives the scores. `name` says in words what it is; `first` is the first bar that it may be asked about."""

    name: str
    first: datetime | None
    last: datetime | None

    def score(self, join: Join, now: datetime, within: tuple[datetime, datetime]) -> TradedScores:
        """Return the scores of the decisions in `within` (bar closes, both included), as known at each decision."""
        ...


class RuleScores:
    """A rule that learns nothing: every pair has the same probability. UnknownNameError for any other family."""

    first: datetime | None = None
    last: datetime | None = None

    def __init__(self, settings: Settings, name: str) -> None:
        if name not in RULES:
            raise UnknownNameError("rule", name, RULES)
        self.name = f"rule {name}"
        self._settings, self._family = settings, find_family(name)

    def score(self, join: Join, now: datetime, within: tuple[datetime, datetime]) -> TradedScores:
        """Return the rule's probability for every decision whose features were known."""
        settings, service = self._settings, choose_pair_service(self._settings)
        rows = join_decisions(settings, service, join, now, within)
        model = self._family.fit(rows, service, settings)
        said = pl.Series("probability", model.predict(rows), dtype=pl.Float64)
        scored = rows.with_columns(pl.when(KNOWN).then(said).alias("probability"), train_end=pl.lit(None, _INSTANT))
        scored = scored.with_columns(threshold=pl.lit(None, pl.Float64))
        return TradedScores(scored.select(_COLUMNS), settings.universe.pairs, settings.strategy)


class ModelScores:
    """A registered version, by number or alias.

    Its files and signatures are checked before it is loaded. Raises what `find_alias` and `find_version` raise, and
    ConfigError for a version of another universe, and for one that is a book.
    """

    last: datetime | None = None

    def __init__(self, settings: Settings, named: str) -> None:
        self._settings, self._layout = settings, Layout.of(settings)
        self._model = _find_model(settings, named)
        if self._model.is_book:
            raise ConfigError(
                f"version {self._model.version} of {self._model.name} is a book ({self._model.family}): "
                "it has no scores of pairs",
                f"trade it again with pairity books --family {self._model.family}, or name a version of a model of "
                "pairs with --model",
            )
        own, wanted = self._model.universe, ",".join(settings.universe.assets)
        if own != wanted:
            raise ConfigError(
                f"version {self._model.version} of {self._model.name} was trained on {own or 'an unknown universe'}, "
                f"and universe.assets is {wanted}",
                "set universe.assets to what the version was trained on",
            )
        self._train_end = datetime.fromisoformat(self._model.train_end)
        # Whole bars: `train_end` itself was seen
        self.first: datetime | None = self._train_end + HOUR
        self.name = f"{self._model.name} version {self._model.version}"

    def score(self, join: Join, now: datetime, within: tuple[datetime, datetime]) -> TradedScores:
        """Return the version's probability for every decision whose features were known."""
        service = self._model.service
        decided = join_decisions(self._settings, service, join, now, within)
        rows = decided.with_columns(threshold=pl.lit(self._model.threshold, pl.Float64))
        known = rows.filter(pl.col(KNOWN))
        estimator = load_estimator(self._layout, self._model)
        said = pair_forest.predict_probability(estimator, build_model_matrix(known, service))
        scored = known.select("pair_id", EVENT_TIME, pl.Series("probability", said, dtype=pl.Float64))
        on = ["pair_id", EVENT_TIME]
        joined = rows.join(scored, on=on, how="left", maintain_order="left")
        ends = joined.with_columns(train_end=pl.lit(self._train_end, _INSTANT))
        return TradedScores(ends.select(_COLUMNS), self._settings.universe.pairs, self._settings.strategy)


class RunScores:
    """The scores that a run of `pairity train` or `leaderboard` left behind, of one family where it has several."""

    def __init__(self, settings: Settings, run: str, family: str | None) -> None:
        self._settings = settings
        if family in BOOK_FAMILIES:
            raise ConfigError(
                f"{family} is a book: it has no scores of pairs", f"trade it again with pairity books --family {family}"
            )
        layout = Layout.of(settings)
        run_id, name = find_run(layout, run, family)
        self._scores = read_scores(layout, run_id)
        self._family = _find_traded_family(family)
        pairs = settings.universe.pairs if self._family is None else list_traded_pairs(settings, self._family)
        if not self._scores["pair_id"].is_in([pair.pair_id for pair in pairs]).any():
            raise ConfigError(
                f"run {run_id[:12]} scored none of the pairs of the universe ({', '.join(settings.universe.assets)})",
                "set universe.assets to those of the run: `pairity report RUN` shows them",
            )
        self._two_legs = family is not None and family.endswith(_TWO_LEGS)
        self.name = f"scores of run {run_id[:12]} ({name})"
        times = self._scores[EVENT_TIME]
        self.first: datetime | None = times.min()  # type: ignore[assignment]
        self.last: datetime | None = times.max()  # type: ignore[assignment]

    def score(self, join: Join, now: datetime, within: tuple[datetime, datetime]) -> TradedScores:
        """Return the run's scores beside what was known of the pairs at the same decisions."""
        settings, scores = self._settings, self._scores.filter(pl.col(EVENT_TIME).is_between(*within))
        family = self._family
        if family is not None and family.portfolio is not None:
            return self._score_assets(scores, family)
        rows = join_decisions(settings, choose_pair_service(settings), join, now, within)
        on = ["pair_id", EVENT_TIME]
        joined = rows.join(scores, on=on, how="left", maintain_order="left").rename({"score": "probability"})
        strategy = settings.strategy.model_copy(update={"legs": "both"}) if self._two_legs else settings.strategy
        if family is None or family.choose_pair is None:
            return TradedScores(joined.select(_COLUMNS), settings.universe.pairs, strategy)
        pair = family.choose_pair(settings)
        return TradedScores(joined.select(_COLUMNS), (pair,), make_baseline_strategy(strategy))

    def _score_assets(self, scores: pl.DataFrame, family: Family) -> TradedScores:
        assert family.portfolio is not None
        nothing = pl.lit(None, pl.Float64)
        rows = scores.with_columns(
            z_score=pl.col("score"),
            probability=pl.lit(1.0),
            correlation_168h=nothing,
            hedge_ratio=nothing,
            known=pl.col("score").is_not_null(),
        )
        pairs = list_traded_pairs(self._settings, family)
        return TradedScores(rows.select(_COLUMNS), pairs, None, family.portfolio.make_policy(self._settings))


def choose_source(
    settings: Settings, *, model: str | None, rule: str | None, run: str | None, family: str | None
) -> ScoreSource:
    """Return the source that exactly one of `model`, `rule` and `run` names; none of them is the champion.

    ConfigError where more than one is named, and for a `family` without a run.
    """
    if sum(named is not None for named in (model, rule, run)) > 1:
        raise ConfigError("more than one of --model, --rule and --run is given", "give one: they are different scores")
    if family is not None and run is None:
        raise ConfigError("--family is given without --run", "name the run whose family it is")
    if rule is not None:
        return RuleScores(settings, rule)
    if run is not None:
        return RunScores(settings, run, family)
    return ModelScores(settings, model or settings.serve.model_alias)


def _find_model(settings: Settings, named: str) -> ModelRef:
    if not VERSION.accepts(named):
        return find_alias(settings, named)
    model = find_version(settings, named)
    Verifier(Layout.of(settings)).require_registration(model)
    return model


def _find_traded_family(name: str | None) -> Family | None:
    """Return the family that is named, without the ending of its two-legged line; None where none is known."""
    return None if name is None else FAMILIES.get(name.removesuffix(_TWO_LEGS))
