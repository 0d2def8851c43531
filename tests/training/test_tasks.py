"""Fits and trials here or on workers: the same calls in the same order, and nothing nested on a worker."""

import io
import pickle

import numpy as np
import pandas as pd
import pytest

from pairity.errors import MissingDataError
from pairity.settings import ModelSettings, Settings
from training import tasks
from training.models import pair_forest
from training.models.registrable import digest_fitted
from training.tasks import run_cases

UNIVERSE = ("BTC", "ETH", "SOL", "XRP")


def add(settings, base, number):
    if number < 0:
        raise MissingDataError(f"{number} is below nothing", "give another")
    return settings.profile, base + number


class Future:
    def __init__(self, value):
        self.value = value


class Workers:
    """Stands for a cluster: what it is given is what arrives there, pickled and read again."""

    def __init__(self):
        self.submitted, self.kept = [], []

    def keep(self, name, value):
        self.kept.append(name)
        return Future(lambda: pickle.loads(pickle.dumps(value)))

    def submit(self, name, function, *arguments):
        self.submitted.append(name)
        given = [one.value() if isinstance(one, Future) else pickle.loads(pickle.dumps(one)) for one in arguments]
        return Future(lambda: pickle.loads(pickle.dumps(function(*given))))

    def gather(self, futures):
        return [future.value() for future in futures]


@pytest.fixture
def workers(monkeypatch):
    made = Workers()
    monkeypatch.setattr(tasks, "connect_workers", lambda _scheduler: made)
    return made


@pytest.fixture
def clustered(tmp_path):
    cluster = {"scheduler": "tcp://127.0.0.1:1", "redis": "redis://127.0.0.1:1/0", "postgres": "127.0.0.1:1/pairity"}
    return Settings(home=tmp_path, profile="cluster", cluster=cluster)


def test_here_each_case_is_run_when_it_is_asked_for(tmp_path):
    settings, asked = Settings(home=tmp_path), []

    def cases():
        for number in (1, 2, 3):
            asked.append(number)
            yield (number,)

    found = run_cases(settings, "sum", add, cases(), shared=(10,))
    assert next(found) == ("embedded", 11)
    assert asked == [1]
    assert [value for _, value in found] == [12, 13]


def test_on_workers_all_cases_are_handed_in_at_once_and_come_back_in_order(clustered, workers):
    found = run_cases(clustered, "sum", add, [(1,), (2,), (3,)], shared=(10,))
    assert next(found) == ("embedded", 11), "a worker computes what a case starts itself"
    assert (workers.submitted, workers.kept) == (["sum-1", "sum-2", "sum-3"], ["sum-of-all-1"])
    assert [value for _, value in found] == [12, 13]


def test_what_a_case_raises_is_raised_at_its_place(clustered, workers, tmp_path):
    for settings in (clustered, Settings(home=tmp_path)):
        found = run_cases(settings, "sum", add, [(1,), (-2,), (3,)], shared=(10,))
        assert next(found)[1] == 11
        with pytest.raises(MissingDataError, match="-2 is below nothing"):
            next(found)


@pytest.mark.parametrize("calibration", ["none", "isotonic"])
def test_a_forest_that_came_from_a_worker_has_the_digest_of_one_that_was_fitted_here(calibration):
    here = fit(calibration, seed=3)
    buffers = []
    sent = pickle.dumps(here, protocol=5, buffer_callback=buffers.append)
    # As Dask brings them: arrays over bytes that nobody may write to
    there = pickle.loads(sent, buffers=[bytes(buffer.raw()) for buffer in buffers])
    stored = io.BytesIO()
    pickle.dump(here, stored)
    stored.seek(0)
    assert digest_fitted(here) == digest_fitted(there) == digest_fitted(pickle.load(stored))
    assert digest_fitted(here) == digest_fitted(fit(calibration, seed=3))
    assert digest_fitted(here) != digest_fitted(fit(calibration, seed=4))


def fit(calibration, seed):
    rng = np.random.default_rng(0)
    matrix = pd.DataFrame({"z_score": rng.normal(size=200), "spread_rsi": rng.uniform(0, 100, 200)})
    matrix["base_asset"] = rng.choice(["BTC", "ETH"], 200)
    matrix["quote_asset"] = rng.choice(["SOL", "XRP"], 200)
    labels = (matrix["z_score"].to_numpy() > 0.3).astype(np.int64)
    places = np.arange(200)
    places.flags.writeable = False  # as Polars gives them
    splits = [(places[places % 2 == side], places[places % 2 != side]) for side in (0, 1)]
    settings = ModelSettings(n_estimators=4, min_samples_leaf=5, seed=seed, calibration=calibration)
    return pair_forest.fit_pipeline(
        matrix, labels, UNIVERSE, settings, fit_threads=1, splits=None if calibration == "none" else splits
    )
