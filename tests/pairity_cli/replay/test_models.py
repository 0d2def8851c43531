"""Every decision of the backtest is scored by the version that decided it in the replay, and by no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pairity.errors import ConfigError, TimeRangeError
from pairity.progress import SilentProgress
from pairity_cli.replay.models import load_registered, make_rule, score_promotions
from serving.models.champion import Champion
from serving.replay.scheduled_champion import Promotion, ScheduledChampion
from serving.risk import Mode
from tests.serving.replay.test_published_data import Stopped
from tests.training.generated import HOUR, START
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training import job


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("home"))
    publish_all(settings)
    report = job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    return settings, report


def test_scores_change_with_the_promotion(trained):
    settings, _ = trained
    first, last, at = START + 220 * HOUR, START + 235 * HOUR, START + 228 * HOUR + timedelta(minutes=30)
    rules = [make_rule(settings, name, first) for name in ("always_revert", "zero_forecast")]
    promotions = (Promotion(first, rules[0]), Promotion(at, rules[1]))
    rows = score_promotions(settings, promotions, brute_join(settings), NOW, (first, last))
    said = dict(rows.select("event_timestamp", "probability").drop_nulls().unique().sort("event_timestamp").iter_rows())
    assert list(said) == [first + hour * HOUR for hour in range(16)]
    champion, clock = ScheduledChampion(promotions), Stopped(first)
    champion.attach(clock)
    for close, probability in said.items():
        clock.at = close + timedelta(seconds=5)
        champion.follow()
        assert probability == {"always_revert": 1.0, "zero_forecast": 0.0}[champion.ref.name]


def test_a_registered_version_is_refused_where_it_has_seen_the_range(trained):
    settings, report = trained
    scorer = load_registered(settings, "1", report.test_end + HOUR)
    assert scorer.ref.key == Champion(settings, Mode.PAPER).ref.key
    assert load_registered(settings, "champion", report.test_end + HOUR).ref.key == scorer.ref.key
    with pytest.raises(TimeRangeError, match="was trained on data up to"):
        load_registered(settings, "1", START)
    fewer = settings.model_copy(
        update={"universe": settings.universe.model_copy(update={"assets": settings.universe.assets[:2]})}
    )
    with pytest.raises(ConfigError, match="was trained on"):
        load_registered(fewer, "1", report.test_end + HOUR)
