"""A live process that continues its month leaves what a process leaves that computes the month anew each hour."""

from __future__ import annotations

import contextlib
import random
from datetime import timedelta

import polars as pl
import pytest

from feature_repo import feature_store
from feature_repo.catalog import VIEWS
from feature_repo.raw_datasets import DATASETS
from ingestion import publishing
from ingestion.admission_record import AdmissionRecord
from ingestion.due_months import MonthLedger
from ingestion.feature_admission import FeatureAdmission
from ingestion.quarantine_actions import release
from tests.feature_repo.test_chunks import MAY
from tests.feature_repo.test_continued_chunk import market
from tests.ingestion.live_process import LiveProcess, assert_same_results, complete_in
from validation.quarantine import read_items

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NAMES = ("A", "B", "C")
# Each takes many seconds: one for every change, the others before a release.
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]


def both(tmp_path, names=NAMES):
    return (
        LiveProcess(tmp_path / "kept", names, keeps=True),
        LiveProcess(tmp_path / "anew", names, keeps=False),
    )


def whole_market(seed):
    """A market of four assets in which no required column has nulls."""
    frames = market(seed, gaps=0.02, names=("A", "B", "C", "D"))
    for name, rows in frames.items():
        kind = DATASETS[name]
        required = [value for value in kind.values if value not in kind.nullable]
        frames[name] = rows.with_columns(pl.col(required).fill_null(1.0))
    return frames


class Faults:
    """Deals rows out to hours: most come in their own, some late, some wrong first, some are changed later."""

    def __init__(self, seed, frames, first, hours):
        self.random = random.Random(seed)
        self.frames, self.first, self.hours = frames, first, hours
        self.arriving = {}

    def deal(self):
        for hour in range(1, self.hours + 1):
            close = self.first + hour * HOUR
            for name, rows in complete_in(self.frames, close - HOUR, close).items():
                for (asset,), own in rows.group_by("asset", maintain_order=True):
                    self._deal(hour, name, asset, own)
        return self.arriving

    def _deal(self, hour, name, asset, own):
        chance = self.random.random()
        later = hour + self.random.choice([1, 1, 1, 2, 3, 7, 30])
        value = DATASETS[name].values[0]
        if chance < 0.06:
            self._give(later, name, own)
        elif chance < 0.10 and own.height > 3:
            cut = self.random.randrange(1, own.height)
            self._give(hour, name, own.head(cut))
            self._give(later, name, own.slice(cut))
        elif chance < 0.14:
            self._give(hour, name, own)
            picked = own.sample(1, seed=self.random.randrange(10**6))
            if name == "candles_1m":
                picked = picked.with_columns(pl.col("volume") * 3.0)
            else:
                picked = picked.with_columns(pl.col(value) * 1.0001)
            self._give(later, name, picked)
        elif chance < 0.18:
            wrong = own.sample(1, seed=self.random.randrange(10**6))
            rest = own.join(wrong, on=DATASETS[name].time, how="anti", maintain_order="left")
            self._give(hour, name, pl.concat([rest, wrong.with_columns(pl.lit(float("inf")).alias(value))]))
            if self.random.random() < 0.7:
                self._give(later, name, wrong)
        elif chance < 0.20:
            pass
        else:
            self._give(hour, name, own)

    def _give(self, hour, name, rows):
        self.arriving.setdefault(hour, {}).setdefault(name, []).append(rows)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_hours_with_faults(tmp_path, seed):
    frames = whole_market(seed)
    first, hours = MAY + (seed * 7 - 4) * HOUR, 14
    processes = both(tmp_path, ("A", "B", "C", "D"))
    start = complete_in(frames, MAY - timedelta(days=30), first)
    if seed % 2:
        start = {name: rows.filter(pl.col("asset") != "C") for name, rows in start.items()}
    arriving = Faults(seed, frames, first, hours).deal()
    for process in processes:
        process.run(first, start, first + timedelta(seconds=30))
    down = random.Random(seed)
    waiting = {}
    for hour in range(1, hours + 1):
        for name, parts in arriving.get(hour, {}).items():
            waiting.setdefault(name, []).extend(parts)
        if down.random() < 0.2 and hour < hours:
            continue
        batch = {name: pl.concat(parts) for name, parts in waiting.items()}
        waiting = {}
        for process in processes:
            process.live(first + hour * HOUR, batch)
        assert_same_results(*processes)
    assert [process.continued > 2 for process in processes] == [True, False]


def minutes_and_rates(seed=1):
    """Minutes and settlements around the first of May."""
    frames = market(seed, gaps=0.0, days=3)
    used = {name: frames[name] for name in ("candles_1m", "funding")}
    return {name: rows.filter(pl.col("asset").is_in(NAMES)) for name, rows in used.items()}


def begin(processes, frames, first):
    for process in processes:
        process.run(first, complete_in(frames, MAY - timedelta(days=30), first), first + timedelta(seconds=30))


def hour_of(frames, close):
    return complete_in(frames, close - HOUR, close)


def only(asset, frames):
    return {name: rows.filter(pl.col("asset") == asset) for name, rows in frames.items()}


@pytest.mark.slow
def test_a_month_ends_while_nothing_arrives(tmp_path):
    """The venue is silent over midnight: the last hours of the month are over all the same."""
    frames, first = minutes_and_rates(), MAY - 3 * HOUR
    processes = both(tmp_path)
    begin(processes, frames, first)
    for process in processes:
        process.live(MAY + 2 * HOUR, complete_in(frames, MAY + HOUR, MAY + 2 * HOUR))
    assert_same_results(*processes)


def test_a_month_that_was_prepared_begins_as_one_that_was_not(tmp_path, monkeypatch):
    """Its chunk is computed before its first hour; what comes late all the same is taken in."""
    frames, first = minutes_and_rates(), MAY - 2 * HOUR
    late = {name: rows.filter(pl.col("asset") == "C") for name, rows in hour_of(frames, MAY).items()}
    on_time = {name: rows.filter(pl.col("asset") != "C") for name, rows in frames.items()}
    processes = both(tmp_path)
    begin(processes, frames, first)
    for process in processes:
        process.live(MAY - HOUR, hour_of(frames, MAY - HOUR))
        process.live(MAY, hour_of(on_time, MAY))
        if process.keeps:
            record = AdmissionRecord(process.settings, MAY + MINUTE)
            process.publisher.prepare_month(FeatureAdmission(record), MAY)
            begun = []
            monkeypatch.setattr("ingestion.continued_month.ContinuedMonth.begin", begun.append)
        process.live(MAY + HOUR, hour_of(frames, MAY + HOUR))
        process.live(MAY + 2 * HOUR, hour_of(frames, MAY + 2 * HOUR))
        monkeypatch.undo()
    assert begun == []
    assert_same_results(*processes)
    for process in processes:
        process.live(
            MAY + 3 * HOUR,
            {name: pl.concat([late[name], rows]) for name, rows in hour_of(frames, MAY + 3 * HOUR).items()},
        )
    assert_same_results(*processes)


@pytest.mark.slow
def test_features_that_somebody_else_published_are_not_published_twice(tmp_path):
    """Another process computes up to an hour of which no minute has arrived yet, and the live one comes after it."""
    frames, first = minutes_and_rates(), MAY + 23 * HOUR
    processes = both(tmp_path)
    begin(processes, frames, first)
    midnight = first + HOUR
    for process in processes:
        LiveProcess(process.settings.home, NAMES, keeps=True).run(midnight, {}, midnight + timedelta(seconds=5))
        process.live(midnight, only("B", hour_of(frames, midnight)))
    assert_same_results(*processes)


@pytest.mark.slow
def test_features_that_another_universe_has_changed_are_set_right_again(tmp_path):
    frames, first = minutes_and_rates(), MAY + 12 * HOUR
    processes = both(tmp_path)
    begin(processes, frames, first)
    for process in processes:
        LiveProcess(process.settings.home, NAMES[:2], keeps=True).run(first, {}, first + 10 * MINUTE)
        process.live(first + HOUR, hour_of(frames, first + HOUR))
    assert_same_results(*processes)


@pytest.mark.slow
def test_hours_that_were_published_before_an_earlier_end_are_compared(tmp_path):
    """A range that ends earlier than what is published: the hours after it are there already."""
    frames, first = minutes_and_rates(), MAY + 23 * HOUR
    processes = both(tmp_path)
    begin(processes, frames, first)
    midnight = first + HOUR
    wrong = frames["candles_1m"].filter(pl.col("open_time") == first - 2 * MINUTE).with_columns(volume=-1.0)
    for process in processes:
        process.live(midnight, {})
        process.live(first, {"candles_1m": wrong.with_columns(open_time=pl.col("open_time") + 3 * HOUR)})
        process.live(midnight, only("B", hour_of(frames, midnight)))
    assert_same_results(*processes)


@pytest.mark.slow
def test_the_verdict_counts_every_hour_of_the_month(tmp_path):
    """Hours that were published together and then computed again in part lose none of those before."""
    frames, first = minutes_and_rates(), MAY + 3 * HOUR
    processes = both(tmp_path)
    late = frames["candles_1m"].filter(pl.col("open_time") == first + 5 * HOUR + 10 * MINUTE)
    frames = frames | {"candles_1m": frames["candles_1m"].join(late, on=["asset", "open_time"], how="anti")}
    begin(processes, frames, first)
    for process in processes:
        process.live(first + 6 * HOUR, complete_in(frames, first, first + 6 * HOUR))
        hour = hour_of(frames, first + 7 * HOUR)
        process.live(first + 7 * HOUR, hour | {"candles_1m": pl.concat([late, hour["candles_1m"]])})
    assert_same_results(*processes)
    profiles = [process.publisher._memory.profiles[first + 7 * HOUR] for process in processes]
    for name, profile in profiles[1].items():
        assert profiles[0][name].equals(profile), name


@pytest.mark.slow
def test_what_comes_late_of_a_month_without_candles_computes_the_month_anew(tmp_path):
    """The month before has settlements alone: it is never due, and this one's first hours depend on them."""
    frames, first = whole_market(1), MAY + 3 * HOUR
    late = pl.col("funding_time").is_between(MAY - 20 * HOUR, MAY, closed="left")
    rates, hours = frames["funding"], frames["candles_1h"].filter(pl.col("open_time") >= MAY)
    processes = both(tmp_path, ("A", "B"))
    begin(processes, {"candles_1h": hours, "funding": rates.filter(~late, pl.col("funding_time") < MAY)}, first)
    for process in processes:
        process.live(first + HOUR, hour_of({"candles_1h": hours}, first + HOUR))
        process.live(first + 2 * HOUR, {"funding": rates.filter(late)})
    assert rates.filter(late).height > 0
    assert_same_results(*processes)


def fail_after(monkeypatch, calls):
    """Let the disk fail at one of the writes of publishing: of a view's file, of an online table, of the ledger."""
    left = [calls]

    def failing(function):
        def call(*args, **options):
            left[0] -= 1
            if left[0] < 0:
                raise OSError("no space")
            return function(*args, **options)

        return call

    for module, name in ((publishing, "publish"), (publishing, "publish_new"), (feature_store, "write_online")):
        monkeypatch.setattr(module, name, failing(getattr(module, name)))
    monkeypatch.setattr(MonthLedger, "record", failing(MonthLedger.record))


def release_one(process, place, now):
    """Release an item that lies in quarantine: the same of every process."""
    items = sorted(read_items(process.layout, state="held"), key=lambda item: (item.dataset, item.key))
    single = [item for item in items if item.dataset in VIEWS or not _has_versions(item)]
    if single:
        release(process.settings, single[int(place * len(single))].id, "seen by a person", now=now)


def _has_versions(item):
    return item.read_rows()[DATASETS[item.dataset].time].is_duplicated().any()


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_hours_with_failures_people_and_other_processes(tmp_path, monkeypatch, seed):
    frames = whole_market(seed + 10)
    first, hours = MAY + (seed * 9 - 4) * HOUR, 14
    names, chance = ("A", "B", "C", "D"), random.Random(seed)
    processes = both(tmp_path, names)
    begin(processes, frames, first)
    arriving = Faults(seed, frames, first, hours).deal()
    for hour in range(1, hours + 1):
        close = first + hour * HOUR
        batch = {name: pl.concat(parts) for name, parts in arriving.get(hour, {}).items()}
        event, place, when = chance.random(), chance.random(), close + 20 * MINUTE
        if event < 0.2:
            for process in processes:
                with monkeypatch.context() as fault:
                    fail_after(fault, int(place * 20))
                    with contextlib.suppress(OSError):
                        process.live(close, batch)
            continue
        if event < 0.35:  # another process takes what has arrived, and may be killed before it publishes
            for process in processes:
                other = LiveProcess(process.settings.home, names, keeps=True)
                with monkeypatch.context() as fault, contextlib.suppress(OSError):
                    fail_after(fault, 0 if place < 0.5 else 1000)
                    other.live(close, batch, now=close + 10 * MINUTE)
            batch = {}
        for process in processes:
            process.live(close, batch, now=close + 15 * MINUTE)
        assert_same_results(*processes)
        if hour % 3 == 0:  # compaction is nobody's business
            with processes[0].lake.writing():
                processes[0].lake.compact()
        if event > 0.8:
            for process in processes:
                release_one(process, place, when)
        elif event > 0.65:  # a second run within the hour
            part = {name: rows.head(int(place * rows.height)) for name, rows in hour_of(frames, close + HOUR).items()}
            part = {
                name: rows.filter(pl.col(DATASETS[name].time) + DATASETS[name].known_after <= when)
                for name, rows in part.items()
            }
            for process in processes:
                process.live(when, part, now=when)
            assert_same_results(*processes)
    for process in processes:
        process.live(first + (hours + 1) * HOUR, hour_of(frames, first + (hours + 1) * HOUR))
    assert_same_results(*processes)
    assert [process.continued > 2 for process in processes] == [True, False]
