"""From when rows that are asked for again are known: the choice is kept with them, also by a run that is killed."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.raw_datasets import DATASETS
from ingestion.admission_record import AdmissionRecord
from ingestion.asked_again import repair_gaps
from ingestion.backfills import read_backfills
from ingestion.coverage import find_gaps
from ingestion.known_from import CHOICES
from ingestion.lake import Lake
from ingestion.pipeline import collect_history
from ingestion.raw_admission import RawAdmission
from ingestion.resuming import admit_left_behind
from ingestion.sources.folders import ParquetFolder
from ingestion.staging import Staging
from pairity.child_environment import make_child_environment
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity_cli.main import main
from tests.feature_repo.transforms.markets import candles

SINCE = datetime(2025, 3, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
END = SINCE + 60 * MINUTE
NOW = END + timedelta(days=9)
LAG = timedelta(milliseconds=1)
HOLE = (10, 11)


def minutes(count=60, *, skip=(), start=SINCE):
    rows = candles(("BTC",), count, bar=MINUTE, start=start, seed=2, volatility=0.001)
    wanted = [at for at in range(count) if at not in skip]
    return DATASETS["candles_1m"].conform(rows[wanted].drop("asset"))


def write_folder(folder, rows):
    folder.mkdir(exist_ok=True)
    recorded = rows.select(pl.col("open_time").dt.epoch("ms").alias("ts"), "open", "high", "low", "close", "volume")
    recorded.write_parquet(folder / "BTC-USDT.parquet")


@pytest.fixture
def home(tmp_path):
    """An hour that was collected without two of its minutes, which the source has by now, as it has the hour after."""
    write_folder(tmp_path / "in", minutes(skip=HOLE))
    settings = Settings(home=tmp_path / "home")
    collect(settings, tmp_path, NOW - timedelta(days=1), until=END)
    write_folder(tmp_path / "in", pl.concat([minutes(), minutes(30, start=END)]))
    return settings


def collect(settings, tmp_path, now=NOW, until=END + 30 * MINUTE, **more):
    source = ParquetFolder(tmp_path / "in")
    job = collect_history(settings, source, ["BTC"], ["candles_1m"], SINCE, until, now, SilentProgress(), **more)
    return asyncio.run(job)


def known(settings):
    lake = Lake(Layout.of(settings), venue="folder")
    rows = lake.scan("candles_1m", ["BTC"], SINCE, END + 30 * MINUTE).collect()
    return {(at - SINCE) // MINUTE: known for at, known in rows.select("open_time", "known_at").iter_rows()}


def then(place):
    return SINCE + (place + 1) * MINUTE + LAG


@pytest.mark.parametrize("known_from", ["now", "then"])
def test_a_recheck_dates_what_was_asked_for_before_and_nothing_else(home, tmp_path, known_from):
    report = collect(home, tmp_path, recheck=True, known_from=known_from)
    assert report.ok
    found = known(home)
    assert [found[place] for place in HOLE] == ([NOW, NOW] if known_from == "now" else [then(place) for place in HOLE])
    assert all(found[place] == then(place) for place in range(90) if place not in HOLE)  # the later half: first load
    (entry,) = read_backfills(Layout.of(home), "folder")
    rows = 2 if known_from == "now" else 32
    assert (entry.at, entry.source, entry.known_from) == (NOW, "parquet-folder", known_from)
    assert dict(entry.rows) == {("candles_1m", "BTC"): rows}
    collect(home, tmp_path, recheck=True, known_from="then" if known_from == "now" else "now")
    assert known(home) == found
    assert len(read_backfills(Layout.of(home), "folder")) == 1


@pytest.mark.parametrize("known_from", ["now", "then"])
def test_a_correction_is_known_from_now_whatever_was_chosen(home, tmp_path, known_from):
    whole = minutes()
    changed = whole.with_columns(pl.when(pl.col("open_time") == SINCE).then(7.0).otherwise("volume").alias("volume"))
    write_folder(tmp_path / "in", changed)
    collect(home, tmp_path, recheck=True, known_from=known_from, until=END)
    lake = Lake(Layout.of(home), venue="folder")
    (part,) = lake.partitions()
    versions = lake.versions(part).filter(pl.col("open_time") == SINCE).sort("known_at")
    assert versions["known_at"].to_list() == [then(0), NOW]


KILLED = """
import asyncio, os, signal, sys
from datetime import datetime
from ingestion import resuming
from ingestion.raw_admission import RawAdmission
from tests.ingestion.test_known_from import NOW, SINCE, END, killed_run
where, how, known_from, home, folder = sys.argv[1:]
def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "staged":
    RawAdmission.admit_staged = kill
else:
    from ingestion.lake import Lake
    from ingestion.staging import Staging
    Staging.clear = kill
killed_run(how, known_from, home, folder)
"""


def killed_run(how, known_from, home, folder):
    settings, source, day = Settings(home=Path(home)), ParquetFolder(Path(folder)), timedelta(days=1)
    if how == "gaps":
        holes = find_gaps(Lake(Layout.of(settings), venue="folder"), ("BTC",), ("candles_1m",))
        job = repair_gaps(settings, source, holes, NOW - day / 2, SilentProgress(), known_from=known_from)
    else:
        job = collect_history(
            settings,
            source,
            ["BTC"],
            ["candles_1m"],
            SINCE,
            END,
            NOW - day / 2,
            SilentProgress(),
            recheck=True,
            known_from=known_from,
        )
    asyncio.run(job)


RESUMED = [
    ("gaps", "then", "gaps-now"),
    ("gaps", "now", "collect"),
    ("recheck", "then", "collect"),
    ("recheck", "now", "gaps-then"),
]


def list_killed_runs():
    """Every run killed at both places; one of them is a quick test."""
    places = [("staged", "stored"), ("stored", "staged"), ("stored", "staged"), ("staged", "stored")]
    first = [(*run, at) for run, (at, _) in zip(RESUMED, places, strict=True)]
    other = [(*run, at) for run, (_, at) in zip(RESUMED, places, strict=True)]
    return [first[1], *(pytest.param(*run, marks=pytest.mark.slow) for run in (first[0], *first[2:], *other))]


@pytest.mark.parametrize(("how", "known_from", "resumed", "where"), list_killed_runs())
def test_a_killed_run_is_resumed_as_it_was_told(home, tmp_path, where, how, known_from, resumed):
    arguments = [where, how, known_from, str(home.home), str(tmp_path / "in")]
    run = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], env=make_child_environment(), capture_output=True, check=False
    )
    assert run.returncode == -9, run.stderr.decode()
    layout, later = Layout.of(home), NOW + timedelta(days=1)
    assert list((layout.root / "staging").glob("known-from-*/venue=folder/candles_1m/*/*.parquet"))
    if resumed == "collect":
        collect(home, tmp_path, later, until=END)
    else:
        holes = find_gaps(Lake(layout, venue="folder"), ("BTC",), ("candles_1m",))
        source = ParquetFolder(tmp_path / "in")
        asyncio.run(repair_gaps(home, source, holes, later, SilentProgress(), known_from=resumed.removeprefix("gaps-")))
    accepted = later if where == "staged" else NOW - timedelta(hours=12)
    found = known(home)
    assert [found[place] for place in HOLE] == [accepted if known_from == "now" else then(place) for place in HOLE]
    (entry,) = read_backfills(layout, "folder")
    assert (entry.at, entry.source, entry.known_from) == (accepted, "parquet-folder", known_from)
    assert dict(entry.rows) == {("candles_1m", "BTC"): 2}
    assert not list((layout.root / "staging").rglob("*.parquet"))


def test_a_note_of_the_run_that_was_killed_is_not_kept_twice(tmp_path):
    """Killed between the note and the commit: the rows come with the resumed run, and the note says so once."""
    settings = Settings(home=tmp_path)
    layout = Layout.of(settings)
    lake = Lake(layout, venue="folder")
    for at in (NOW, NOW + timedelta(hours=1)):
        staging = Staging(layout, venue="folder", choice=CHOICES["then"], source="ccxt:x")
        with lake.writing():
            staging.recover()
            record = AdmissionRecord(settings=settings, now=at)
            if at == NOW:
                staging.add("candles_1m", "BTC", minutes())
                with pytest.raises(KeyboardInterrupt):
                    interrupted(RawAdmission(record, CHOICES["then"], "ccxt:x"), staging, lake)
            else:
                own = Staging(layout, venue="folder")
                assert admit_left_behind(own, lake, record, SilentProgress()).new_rows == {("candles_1m", "BTC"): 60}
    (entry,) = read_backfills(layout, "folder")
    assert (entry.at, dict(entry.rows)) == (NOW + timedelta(hours=1), {("candles_1m", "BTC"): 60})


def interrupted(admission, staging, lake):
    batch = lake.batch

    def stop():
        class Context:
            def __enter__(self):
                self.inner = batch()
                return self.inner.__enter__()

            def __exit__(self, *_):
                error = KeyboardInterrupt()
                self.inner.__exit__(KeyboardInterrupt, error, None)
                raise error

        return Context()

    lake.batch = stop
    try:
        admission.admit_staged(staging, lake)
    finally:
        del lake.batch


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (["collect", "--source", "parquet-folder", "--folder", "."], "--recheck"),
        (["ingest"], "--recheck"),
        (["gaps"], "--repair"),
    ],
)
def test_a_choice_without_anything_asked_again_is_refused(tmp_path, monkeypatch, command, flag):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [*command, "--known-from", "then"], env={"PAIRITY_HOME": str(tmp_path / "var")})
    assert done.exit_code == 2, done.output
    assert f"--known-from then is about rows that are asked for again, and {flag} is not given" in done.output


def test_the_command_collects_what_was_published_since_as_history(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environment = {
        "PAIRITY_HOME": str(home.home),
        "PAIRITY_UNIVERSE__ASSETS": json.dumps(["BTC", "ETH"]),
        "PAIRITY_FEATURES__VENUE": "folder",
    }
    command = ["collect", "--source", "parquet-folder", "--folder", str(tmp_path / "in"), "--assets", "BTC"]
    command += ["--since", SINCE.isoformat(), "--until", END.isoformat(), "--recheck", "--known-from", "then"]
    done = CliRunner().invoke(main, command, env=environment)
    assert done.exit_code == 0, done.output
    assert [known(home)[place] for place in HOLE] == [then(place) for place in HOLE]
    listed = CliRunner().invoke(main, ["gaps", "--assets", "BTC", "--datasets", "candles_1m"], env=environment)
    assert "from parquet-folder, known from then: 2 of candles_1m BTC" in listed.output
