"""Made-up decisions before a scene: as many as hours, with all their vectors, in a journal that the process reads."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from benchmarks import journal_history
from feature_repo.catalog import EVENT_TIME
from feature_repo.offline_files import make_schema
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR
from serving.journal import Journal
from tests.benchmarks.test_serving_history import FIRST


@pytest.mark.parametrize("hours", [1, 24, 60])
def test_each_hour_has_its_decision_with_all_vectors(hours, tmp_path, monkeypatch):
    def read(_layout, view, since, _until):
        names = {"pair_hourly": ["BTC__ETH", "BTC__SOL", "ETH__SOL"]}.get(view.name, ["BTC", "ETH", "SOL"])
        schema = make_schema(view)
        return pl.DataFrame(
            {view.entity: names, EVENT_TIME: [since] * 3}, {n: schema[n] for n in (view.entity, EVENT_TIME)}
        ).select(*(pl.col(n) if n in (view.entity, EVENT_TIME) else pl.lit(1, t).alias(n) for n, t in schema.items()))

    monkeypatch.setattr(journal_history, "read_latest_view", read)
    settings = Settings(home=tmp_path, universe={"assets": ("BTC", "ETH", "SOL")})
    tmp_path.chmod(0o700)
    until = FIRST + hours * HOUR
    assert journal_history.lay_back_decisions(settings, FIRST, until) == hours * 6
    journal = Journal.open(Layout.of(settings).journal)
    decided = journal.decisions()
    assert [record.event_timestamp for record in decided] == [FIRST + n * HOUR for n in range(hours)]
    assert {len(journal.vectors(record.decision_id)) for record in decided} == {6}
    assert journal.equity.last().at == until - HOUR
    assert journal.restore_state(1.0).positions == ()
    assert len(decided[-1].decision.scores) == 3
    assert until - decided[-1].event_timestamp == timedelta(hours=1)
    journal.close()
