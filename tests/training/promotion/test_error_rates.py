"""Bounds of the gate's error rates: luck passes at most once in twenty, skill passes where history is long enough."""

import pytest

from tests.training.promotion.error_rates import ROWS, Row, measure, simulate

NULLS = [row for row in ROWS if row.sharpe == 0]
POWER = {(0.6, 5): 0.5, (1.5, 3): 0.35, (1.5, 5): 0.8}
"""Years and true ratio → least share of models that must pass, whatever the ledger."""
WORLDS = 60


@pytest.mark.slow
@pytest.mark.parametrize("row", NULLS, ids=lambda row: f"{row.name}, {row.years:g} years")
def test_luck_passes_at_most_once_in_twenty(row):
    worlds = WORLDS // 3 if row.days else 2 * WORLDS
    assert measure(row, worlds) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if (row.years, row.sharpe) in POWER], ids=str)
def test_skill_passes_where_history_is_long_enough(row):
    # Three standard errors below what is asked: a share of 60 worlds
    least = POWER[row.years, row.sharpe]
    assert measure(row, WORLDS) >= least - 3 * (least * (1 - least) / WORLDS) ** 0.5


def test_a_world_is_judged_by_the_whole_gate(tmp_path):
    assert simulate(Row("a sure thing", 12, 0.6), 1, tmp_path / "sure")
    assert not simulate(Row("a loser", -3, 0.6), 1, tmp_path / "loser")
    assert (tmp_path / "sure" / "trials" / "trials.jsonl").exists()
