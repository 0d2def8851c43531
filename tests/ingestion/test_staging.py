"""Staging gives back what was put in, for all instruments at once; a kill loses nothing, a torn file is dropped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from ingestion.lake.partitions import Partition
from ingestion.staging import Staging
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.timeline import month_start, months_between, next_month
from pairity.universe import inst_id
from tests.examples import examples
from tests.oracles.staged_rows import cover, keep_news

FUNDING = DATASETS["funding"]
JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ASSETS = ("BTC", "ETH", "1INCH", "AAVE")
# Around the end of a month; few times and values, so that rows repeat, differ and contradict each other.
TIMES = [FEBRUARY + hours * HOUR for hours in (-30, -1, 0, 7)]


def frame(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=FUNDING.schema, orient="row")


def rows(time: datetime, *values: float) -> pl.DataFrame:
    return frame([(time, value, time + timedelta(milliseconds=1 + place)) for place, value in enumerate(values)])


ROW = st.builds(
    lambda time, value, late: (time, value, time + late * HOUR),
    st.sampled_from(TIMES),
    st.sampled_from([0.0, 0.5, -1.0]),
    st.integers(0, 2),
)
SPAN = st.tuples(st.integers(-40, 12), st.integers(0, 20)).map(
    lambda ends: (FEBRUARY + ends[0] * HOUR, FEBRUARY + (ends[0] + ends[1]) * HOUR)
)
CALL = st.tuples(st.sampled_from(ASSETS), st.lists(ROW, max_size=5), st.lists(SPAN, max_size=2))


@settings(deadline=None, max_examples=examples(80))
@given(calls=st.lists(CALL, max_size=8), persistent=st.booleans(), reopened=st.booleans())
def test_all_instruments_read_at_once_are_each_one_taken_row_by_row(calls, persistent, reopened):
    with tempfile.TemporaryDirectory() as home:
        staging = Staging(Layout(Path(home)), persistent=persistent)
        for asset, given_rows, spans in calls:
            staging.add("funding", inst_id(asset), frame(given_rows), spans)
        if persistent and reopened:
            staging = Staging(Layout(Path(home)))
            assert staging.recover() == ()
        months = {month_start(row[0]) for _, given_rows, _ in calls for row in given_rows}
        months |= {
            month for _, _, spans in calls for span in spans if span[0] < span[1] for month in months_between(*span)
        }
        assert list(staging.months("funding")) == sorted(months)
        assert staging.datasets() == (("funding",) if months else ())
        for month in months:
            own = defaultdict(list)
            for asset, given_rows, _ in calls:
                own[asset].append([row for row in given_rows if month_start(row[0]) == month])
            expected = [(asset, *row) for asset in sorted(own) for row in keep_news(own[asset])]
            assert staging.read("funding", month).rows() == expected
            _check_covered(staging, month, calls)


def _check_covered(staging, month, calls):
    instants = [month + hours * HOUR for hours in range((next_month(month) - month) // HOUR)]
    covered = staging.covered("funding", month)
    assert list(covered) == sorted(covered)
    for asset in ASSETS:
        spans = [span for name, _, spans in calls if name == asset for span in spans]
        assert cover(covered.get(asset, ()), instants) == cover(spans, instants)
        wanted = month + 3 * HOUR, month + 100 * HOUR
        part = staging.coverage("funding", asset, *wanted)
        assert all(wanted[0] <= since < until <= wanted[1] for since, until in part)
        assert cover(part, instants[3:100]) == cover(spans, instants[3:100])


@settings(deadline=None, max_examples=examples(40))
@given(calls=st.lists(st.lists(ROW, max_size=4, unique_by=lambda row: (row[0], row[2])), max_size=4))
def test_an_instrument_alone_is_what_a_lake_without_judgement_would_hold(calls):
    # The lake's order of rows that are known at the same instant is not defined: here there are none.
    kept = {}
    calls = [[row for row in call if kept.setdefault((row[0], row[2]), row[1]) == row[1]] for call in calls]
    with tempfile.TemporaryDirectory() as home:
        staging, lake = Staging(Layout(Path(home)), persistent=False), Lake(Layout(Path(home)))
        with lake.writing():
            for call in calls:
                staging.add("funding", "BTC", frame(call))
                lake.write("funding", "BTC", frame(call))
        for month in (JANUARY, FEBRUARY):
            stored = lake.versions(Partition("funding", "BTC-USDT-SWAP", month))
            assert staging.read("funding", month).drop("asset").equals(stored)


def test_one_frame_of_many_instruments_is_each_of_them_added():
    together, apart = (Staging(Layout(Path("unused")), persistent=False) for _ in range(2))
    own = {asset: rows(TIMES[place], 0.1 * place, 0.2) for place, asset in enumerate(ASSETS)}
    covered = {asset: [(TIMES[0], TIMES[place])] for place, asset in enumerate(ASSETS)}
    for asset in ASSETS:
        apart.add("funding", asset, own[asset], covered[asset])
    everything = pl.concat(frame.with_columns(pl.lit(asset).alias("asset")) for asset, frame in own.items())
    together.add_all("funding", everything, covered)
    for month in (JANUARY, FEBRUARY):
        assert together.read("funding", month).equals(apart.read("funding", month))
        assert together.covered("funding", month) == apart.covered("funding", month)


def test_a_month_that_is_cleared_is_gone_and_the_others_stay(tmp_path):
    staging = Staging(Layout(tmp_path))
    for time in TIMES:
        staging.add("funding", "BTC", rows(time, 0.1), [(time, time + HOUR)])
    staging.clear("funding", JANUARY)
    for opened in (staging, Staging(Layout(tmp_path))):
        assert opened.months("funding") == (FEBRUARY,)
        assert opened.read("funding", JANUARY).is_empty()
        assert opened.covered("funding", JANUARY) == {}
        assert opened.read("funding", FEBRUARY).height == 2
    staging.clear("funding", JANUARY)  # as often as wanted


def test_memory_leaves_no_file(tmp_path):
    staging = Staging(Layout(tmp_path), persistent=False)
    assert staging.recover() == ()
    staging.add("funding", "BTC", rows(TIMES[0], 0.1), [(TIMES[0], TIMES[1])])
    staging.clear("funding", JANUARY)
    assert list(tmp_path.iterdir()) == []


def test_venues_lie_apart(tmp_path):
    Staging(Layout(tmp_path), venue="binance").add("funding", "BTC", rows(TIMES[0], 0.1))
    assert Staging(Layout(tmp_path)).datasets() == ()
    assert Staging(Layout(tmp_path), venue="binance").datasets() == ("funding",)


def test_rows_without_a_required_column_are_refused_and_nothing_is_staged(tmp_path):
    staging = Staging(Layout(tmp_path))
    with pytest.raises(DataError, match="funding_rate"):
        staging.add("funding", "BTC", rows(TIMES[0], 0.1).drop("funding_rate"))
    assert staging.datasets() == ()


def test_a_torn_file_is_dropped_with_its_coverage(tmp_path):
    staging = Staging(Layout(tmp_path))
    for asset in ("BTC", "ETH"):
        staging.add("funding", asset, rows(TIMES[0], 0.1), [(TIMES[0], TIMES[1])])
    torn = sorted((tmp_path / "staging").rglob("*.parquet"))[0]
    os.truncate(torn, torn.stat().st_size // 2)
    (torn.parent / ".x.parquet.1.tmp").write_bytes(b"half")
    for _ in range(2):  # without recovery it is not read either
        reader = Staging(Layout(tmp_path))
        assert list(reader.covered("funding", JANUARY)) == ["ETH"]
        assert reader.read("funding", JANUARY)["asset"].to_list() == ["ETH"]
    said = reader.recover()
    assert len(said) == 1
    assert said[0].startswith("1 torn file")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
    assert reader.covered("funding", JANUARY).keys() == {"ETH"}
    assert reader.recover() == ()


def test_what_an_earlier_version_staged_is_dropped_and_said(tmp_path):
    old = Lake(Layout(tmp_path / "old"), durable=False)
    with old.writing():
        old.write("funding", "BTC", rows(TIMES[0], 0.1), covered=[(TIMES[0], TIMES[1])])
    old.root.rename(tmp_path / "staging")  # staging was a lake of its own
    staging = Staging(Layout(tmp_path))
    assert staging.datasets() == ()
    said = staging.recover()
    assert len(said) == 1
    assert "earlier version" in said[0]
    assert not [path for path in (tmp_path / "staging").rglob("*") if path.is_file()]
    assert staging.recover() == ()


STAGE = """
import sys
from pathlib import Path
from ingestion.staging import Staging
from pairity.layout import Layout
from tests.ingestion.test_staging import TIMES, rows
staging = Staging(Layout(Path(sys.argv[1])))
for number in range(100_000):
    at = TIMES[number % 4]
    staging.add("funding", f"A{number:05d}", rows(at, number / 7), [(at, at + (TIMES[3] - TIMES[2]))])
    print(number, flush=True)
"""


@pytest.mark.parametrize("moment", [7, *(pytest.param(other, marks=pytest.mark.slow) for other in (1, 40))])
def test_what_was_staged_before_a_kill_is_there_after_it(tmp_path, moment):
    command = [sys.executable, "-W", "ignore", "-c", STAGE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while int(process.stdout.readline()) < moment:
            pass
        process.send_signal(signal.SIGKILL)
        done = int((process.stdout.read().split() or [str(moment)])[-1])
    staging = Staging(Layout(tmp_path))
    assert staging.recover() == ()
    found = pl.concat(staging.read("funding", month) for month in staging.months("funding")).sort("asset")
    # The last one may have been staged and not said.
    assert done + 1 <= found.height <= done + 2
    assert found["funding_rate"].to_list() == [number / 7 for number in range(found.height)]
    covered = {asset for month in staging.months("funding") for asset in staging.covered("funding", month)}
    assert covered == set(found["asset"])
    assert not list(tmp_path.rglob("*.tmp"))


def test_library_calls_do_not_grow_with_the_instruments(monkeypatch):
    """Counted at the gates through which every eager and lazy query of Polars passes."""
    count = Counter()
    for gate, real in (("collect", pl.LazyFrame.collect), ("_collect_eager", pl.LazyFrame._collect_eager)):

        def counting(self, *args, real=real, **options):
            count["queries"] += 1
            return real(self, *args, **options)

        monkeypatch.setattr(pl.LazyFrame, gate, counting)
    seen = []
    for instruments in (3, 60):
        staging = Staging(Layout(Path("unused")), persistent=False)
        names = [f"A{number:02d}" for number in range(instruments)]
        both = pl.concat(rows(TIMES[2], 0.1, 0.2).with_columns(pl.lit(name).alias("asset")) for name in names)
        count.clear()
        for _ in range(2):  # twice: repetitions are the costly case
            staging.add_all("funding", both, {name: [(TIMES[2], TIMES[3])] for name in names})
        assert staging.read("funding", FEBRUARY).height == 2 * instruments
        seen.append(count["queries"])
    assert seen[0] == seen[1] > 0
