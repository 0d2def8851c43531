"""Models of a replay as they would have been: trained when due on what was known then, judged by the gate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from model_registry.registry import find_champion, promote
from pairity.progress import Progress
from pairity.schedule import parse_time_of_day
from pairity.settings import Settings
from pairity.timeline import DAY, floor_to
from pairity_cli.replay.plan import ReplayPlan
from serving.models.scoring import load_scorer
from serving.replay.scheduled_champion import Promotion
from training.job import train

FORCED = "forced: the replay promotes what the gate refuses"
"""Reason that the registry has for such a promotion."""


def list_trainings(plan: ReplayPlan, settings: Settings) -> list[datetime]:
    """Return when models are trained: before the first decision, then every so many days at `retrain.at`."""
    return [plan.starts_at, *_iterate_slots(plan, settings)]


def train_walk_forward(settings: Settings, plan: ReplayPlan, progress: Progress) -> tuple[Promotion, ...]:
    """Train at each due instant in the replay's directory; return who is champion from when on.

    The first is champion on trial whatever the gate says. A later one that the gate refuses changes nothing; where the
    plan `promotes_refused`, it is promoted as `pairity promote --force` does. Raises what `train` raises:
    MissingDataError for too short a history among it.
    """
    promotions: list[Promotion] = []
    for at in list_trainings(plan, settings):
        report = train(settings, progress, now=at)
        progress.say(f"{at:%Y-%m-%d %H:%M}: version {report.model.version}, {report.outcome.reason}")
        if plan.promotes_refused and not report.outcome.promoted:
            promote(settings, report.model.version, FORCED, at)
        champion = find_champion(settings)
        if not promotions or promotions[-1].scorer.ref.key != champion.key:
            promotions.append(Promotion(at, load_scorer(settings, champion)))
    return tuple(promotions)


def _iterate_slots(plan: ReplayPlan, settings: Settings) -> Iterator[datetime]:
    time_of_day = parse_time_of_day(settings.retrain.at)
    first = floor_to(plan.since, DAY) + timedelta(hours=time_of_day.hour, minutes=time_of_day.minute)
    every = timedelta(days=plan.retrain_days or 0)
    at = first + every
    while every and at < plan.until:
        yield at
        at += every
