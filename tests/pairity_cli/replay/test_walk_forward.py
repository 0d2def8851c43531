"""Who decides in a replay that trains its models: the first on trial, later ones where the gate or the plan says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity_cli.replay import walk_forward
from pairity_cli.replay.plan import ReplayPlan

SINCE = datetime(2025, 3, 1, 5, tzinfo=UTC)


@pytest.fixture
def plan(tmp_path):
    return ReplayPlan(
        data=tmp_path,
        since=SINCE,
        until=SINCE + timedelta(days=35),
        home=tmp_path / "replay",
        features="store",
        model="champion",
        rule=None,
        balance=Decimal(5000),
        retrain_days=10,
        history_days=60,
    )


@pytest.fixture
def registry(monkeypatch):
    """A registry of which the gate passes the third version alone, beside the first that is on trial."""
    made = SimpleNamespace(versions=0, champion=None, promoted=[])

    def train(_settings, _progress, *, now):
        made.versions += 1
        passed = made.versions in (1, 3)
        if passed:
            made.champion = made.versions
        outcome = SimpleNamespace(promoted=passed, reason="because")
        return SimpleNamespace(model=SimpleNamespace(version=str(made.versions)), outcome=outcome)

    def promote(_settings, version, reason, now):
        made.champion = int(version)
        made.promoted.append((version, reason, now))

    def find_champion(_settings):
        return SimpleNamespace(key=("pair_forest", made.champion, ""))

    def load_scorer(_settings, ref):
        return SimpleNamespace(ref=ref)

    for name, own in {
        "train": train,
        "promote": promote,
        "find_champion": find_champion,
        "load_scorer": load_scorer,
    }.items():
        monkeypatch.setattr(walk_forward, name, own)
    return made


def test_what_the_gate_refuses_changes_nothing(plan, registry):
    promotions = walk_forward.train_walk_forward(Settings(), plan, SilentProgress())
    assert registry.versions == 4
    assert registry.promoted == []
    assert [one.scorer.ref.key[1] for one in promotions] == [1, 3]
    assert promotions[0].at < SINCE < promotions[1].at


def test_every_version_decides_from_its_training_on_where_the_plan_says_so(plan, registry):
    told = replace(plan, promotes_refused=True)
    promotions = walk_forward.train_walk_forward(Settings(), told, SilentProgress())
    assert [one.scorer.ref.key[1] for one in promotions] == [1, 2, 3, 4]
    assert [one.at for one in promotions] == walk_forward.list_trainings(told, Settings())
    assert [(version, reason) for version, reason, _ in registry.promoted] == [
        ("2", walk_forward.FORCED),
        ("4", walk_forward.FORCED),
    ]
    assert [at for *_, at in registry.promoted] == [promotions[1].at, promotions[3].at]
