"""What is said of training rows by models that have not seen them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import PAIR_FOREST_FEATURES
from pairity.errors import MissingDataError
from pairity.settings import Settings
from training.models.families import FAMILIES
from training.models.purged_scores import score_purged

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 600


class Memory:
    """Says the label of a row that it has seen, and one half of every other."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.seen = dict(rows.select("event_timestamp", "label").iter_rows())

    def predict(self, rows: pl.DataFrame) -> np.ndarray:
        return np.array([self.seen.get(time, 0.5) for time in rows["event_timestamp"]])


def make_rows(labels: list[int]) -> pl.DataFrame:
    times = [START + timedelta(hours=hour) for hour in range(len(labels))]
    ends = [time + timedelta(hours=1) for time in times]
    return pl.DataFrame({"event_timestamp": times, "t0": times, "t1": ends, "label": labels})


def refit(rows, _service, _settings, _chosen):
    if rows["label"].n_unique() < 2:
        raise MissingDataError("one class alone", "use more rows")
    return Memory(rows)


FAMILY = replace(FAMILIES["pair_forest"], refit=refit)


def test_a_family_that_learns_by_heart_knows_none_of_its_rows():
    rows = make_rows([0, 1] * (ROWS // 2))
    assert set(Memory(rows).predict(rows)) == {0, 1}
    purged = score_purged(FAMILY, rows, PAIR_FOREST_FEATURES, Settings(), chosen={})
    assert purged.probabilities.tolist() == [0.5] * ROWS
    tested = np.concatenate([test for _, test in purged.splits])
    assert sorted(tested.tolist()) == list(range(ROWS))


def test_what_could_not_be_learnt_is_not_said():
    rows = make_rows([1] * (ROWS // 3) + [0] * (ROWS - ROWS // 3))
    purged = score_purged(FAMILY, rows, PAIR_FOREST_FEATURES, Settings(), chosen={})
    said = ~np.isnan(purged.probabilities)
    assert not said[: ROWS // 3].any()  # the others have one class
    assert said[ROWS // 3 :].all()


@pytest.mark.parametrize(("hours", "scored"), [(123, []), (250, [0, 2]), (400, [0, 1, 2])])
def test_a_fold_with_nothing_beside_it_to_learn_from_says_nothing(hours, scored):
    """A horizon of 102 hours: beside a third of a short history no row is left once the purge is over."""
    rows = make_rows([0, 1] * (hours // 2) + [0] * (hours % 2))
    purged = score_purged(FAMILY, rows, PAIR_FOREST_FEATURES, Settings(), chosen={})
    parts = np.array_split(~np.isnan(purged.probabilities), 3)
    assert [place for place, part in enumerate(parts) if part.all()] == scored
    assert [place for place, part in enumerate(parts) if part.any()] == scored
    assert len(purged.splits) == len(scored)


@pytest.mark.parametrize("name", ["always_revert", "zero_forecast"])
def test_a_rule_has_none(name):
    assert score_purged(FAMILIES[name], make_rows([0, 1]), PAIR_FOREST_FEATURES, Settings(), chosen={}) is None
