"""Models of a replay: a registered version, or a rule that nothing is fitted for."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME
from feature_repo.model_matrix import build_model_matrix
from model_registry.records import RULE_VERSION, ModelRef
from model_registry.registry import find_alias, find_version
from pairity.errors import ConfigError, TimeRangeError
from pairity.names import VERSION
from pairity.settings import Settings
from pairity.timeline import HOUR
from serving.models.book_champion import load_traded_book
from serving.models.scoring import Scorer, load_scorer
from serving.replay.scheduled_champion import Promotion, ScheduledBook
from training.data.decisions import join_decisions
from training.data.point_in_time import KNOWN, Join
from training.data.training_sets import choose_pair_service
from training.models import pair_forest
from training.models.registrable import fit_registrable
from training.score_sources import RULES

_INSTANT = pl.Datetime("us", "UTC")


def find_book(settings: Settings, number: str, asked: str | None) -> str | None:
    """Return the family of books that a version is of; None for a model of pairs.

    `asked`: the family that is asked for by name; ConfigError where the version is not of it. Raises what
    `find_version` raises.
    """
    model = find_version(settings, number)
    if asked is not None and model.family != asked:
        raise ConfigError(
            f"the book {asked} is asked for, and version {model.version} is of the family {model.family}",
            "leave out --book to replay this version (and the setting strategy.book), or name a version of the book",
        )
    return model.family if model.is_book else None


def load_registered_book(settings: Settings, number: str, since: datetime) -> ScheduledBook:
    """Return a registered version that is a book, its files and signature checked.

    Raises what `find_version` and `load_traded_book` raise, and TimeRangeError for one that has seen `since`.
    """
    model = find_version(settings, number)
    book = load_traded_book(settings, model)
    _require_unseen(model, since)
    return ScheduledBook(model, book)


def load_registered(settings: Settings, named: str, since: datetime) -> Scorer:
    """Return a registered version by number or alias, its files and signatures checked.

    Raises what `find_alias`, `find_version` and `load_scorer` raise, ConfigError for one of another universe, and
    TimeRangeError for one that has seen `since`, from which it shall decide.
    """
    model = find_version(settings, named) if VERSION.accepts(named) else find_alias(settings, named)
    wanted = ",".join(settings.universe.traded)
    if model.universe != wanted:
        raise ConfigError(
            f"version {model.version} of {model.name} was trained on {model.universe or 'an unknown universe'}, and "
            f"the assets of the replay are {wanted}",
            "set universe.assets to what the version was trained on",
        )
    _require_unseen(model, since)
    return load_scorer(settings, model)


def _require_unseen(model: ModelRef, since: datetime) -> None:
    train_end = datetime.fromisoformat(model.train_end)
    if since <= train_end:
        raise TimeRangeError(
            f"the replay begins at {since:%Y-%m-%d %H:%M} UTC, but version {model.version} was trained on data up to "
            f"{train_end:%Y-%m-%d %H:%M} UTC",
            "replay a later range, or a version that was trained on an earlier one",
        )


def make_rule(settings: Settings, name: str, since: datetime) -> Scorer:
    """Return a rule as a scorer: it says the same of every pair. ConfigError for any other family."""
    if name not in RULES:
        raise ConfigError(f"{name!r} is no rule", f"choose from {', '.join(RULES)}")
    changed = settings.model_copy(update={"model": settings.model.model_copy(update={"family": name})})
    service = choose_pair_service(settings)
    made = fit_registrable(pl.DataFrame(), service, changed)
    ref = ModelRef(
        name=name,
        version=RULE_VERSION,
        run_id="",
        uri="",
        sha256=made.digest,
        feature_service=service.name,
        snapshot_id="",
        train_end=(since - HOUR).isoformat(),
        universe=",".join(settings.universe.traded),
    )
    return Scorer(ref, made.estimator)


def score_promotions(
    settings: Settings,
    promotions: tuple[Promotion, ...],
    join: Join,
    now: datetime,
    within: tuple[datetime, datetime],
) -> pl.DataFrame:
    """Return each version's scores of the decisions that it made, as `group_scores_by_hour` takes them."""
    parts = []
    for place, promotion in enumerate(promotions):
        first = within[0] if place == 0 else max(within[0], promotion.at)
        last = within[1] if place + 1 == len(promotions) else min(within[1], promotions[place + 1].at - HOUR / 3600)
        if first <= last:
            parts.append(_score(settings, promotion.scorer, join, now, (first, last)))
    return pl.concat(parts)


def _score(
    settings: Settings, scorer: Scorer, join: Join, now: datetime, within: tuple[datetime, datetime]
) -> pl.DataFrame:
    service = scorer.ref.service
    rows = join_decisions(settings, service, join, now, within)
    known = rows.filter(pl.col(KNOWN))
    said = pair_forest.predict_probability(scorer.estimator, build_model_matrix(known, service))
    scored = known.select("pair_id", EVENT_TIME, pl.Series("probability", said, dtype=pl.Float64))
    joined = rows.join(scored, on=["pair_id", EVENT_TIME], how="left", maintain_order="left")
    end = datetime.fromisoformat(scorer.ref.train_end)
    return joined.select(
        "pair_id",
        EVENT_TIME,
        "z_score",
        "correlation_168h",
        "hedge_ratio",
        KNOWN,
        "probability",
        threshold=pl.lit(scorer.ref.threshold, pl.Float64),
        train_end=pl.lit(end, _INSTANT),
    )
