"""Data Docs name suites and culprits, stay small, and are written by processes that neither meet nor phone anyone."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from pairity.durable import temporary_path
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.settings import Settings
from tests.validation.frames import NOW, T0, funding
from validation.checkpoint import build_docs, judge
from validation.profiles import profile_raw
from validation.results import KEPT, load, save

ROOT = Path(__file__).parents[2]
ALONE = """
import socket, sys
from pathlib import Path

def refuse(*args, **kwargs):
    raise AssertionError(f"network asked for: {args}")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from pairity.settings import Settings
from tests.validation.frames import NOW, funding
from validation.checkpoint import build_docs, judge
from validation.profiles import profile_raw

settings = Settings(home=Path(sys.argv[1]))
for hour in range(4):
    verdict = judge(settings, "funding", profile_raw(funding((0.5,)), "funding", "BTC", NOW))
    assert list(verdict.failed) == ["BTC"]
assert build_docs(settings).is_file()
"""


@pytest.fixture
def home(tmp_path):
    return Settings(home=tmp_path)


def verdict(home, key, *rates):
    return judge(home, "funding", profile_raw(funding(rates), "funding", key, NOW))


def test_pages_name_every_suite_and_the_partitions_that_failed(home):
    verdict(home, "BTC/2025-04", 0.0001)
    verdict(home, "DOGE/2025-04", 0.5)
    index = build_docs(home)
    assert index == home.root / "gx" / "data_docs" / "index.html"
    suites = ("candles_1m", "candles_1h", "funding", "asset_hourly", "pair_hourly")
    assert all(suite in index.read_text() for suite in suites)
    pages = [page.read_text() for page in index.parent.glob("validations/funding/**/*.html")]
    assert len(pages) == 2
    assert [("DOGE/2025-04" in page, "BTC/2025-04" in page) for page in sorted(pages, key=len)] == [
        (False, False),
        (True, False),
    ]


def test_pages_are_replaced_not_added_to(home):
    verdict(home, "BTC", 0.0001)
    first = build_docs(home)
    (first.parent / "old.html").write_text("of an earlier time")
    assert build_docs(home) == first
    assert not (first.parent / "old.html").exists()
    assert sorted(path.name for path in first.parents[1].iterdir()) == [
        ".data_docs.lock",
        "data_docs",
        "tally",
        "validations",
    ]


def test_pages_of_one_data_directory_show_nothing_of_another(tmp_path):
    one, other = (Settings(home=tmp_path / name) for name in ("one", "other"))
    verdict(one, "BTC", 0.5)
    assert list((build_docs(one).parent / "validations").rglob("*.html"))
    assert not list((build_docs(other).parent / "validations").rglob("*.html"))


def test_builders_take_turns(home, monkeypatch):
    begun = threading.Event()

    def begin(layout):
        begun.set()
        return load(layout)

    monkeypatch.setattr("validation.data_docs.load", begin)
    home.root.joinpath("gx").mkdir(parents=True)
    builder = threading.Thread(target=build_docs, args=(home,))
    with home.root.joinpath("gx", ".data_docs.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        builder.start()
        assert not begun.wait(1.0)
    builder.join()
    assert begun.is_set()


def test_the_newest_validations_of_each_suite_are_kept(tmp_path):
    layout = Layout(tmp_path)
    for hour in range(KEPT + 5):
        save(layout, "funding", {"hour": hour}, T0 + timedelta(hours=hour))
    save(layout, "candles_1m", {"hour": 0}, T0)
    kept = {suite: [r.content["hour"] for r in load(layout) if r.suite == suite] for suite in ("funding", "candles_1m")}
    assert kept == {"funding": list(range(5, KEPT + 5)), "candles_1m": [0]}
    newest = list(load(layout))[-1]
    assert (newest.at, newest.process) == (T0 + timedelta(hours=KEPT + 4), os.getpid())


def test_what_a_killed_writer_left_goes_after_an_hour(tmp_path):
    layout = Layout(tmp_path)
    left_over = temporary_path(save(layout, "funding", {}, T0))
    left_over.write_text('{"resul')
    save(layout, "funding", {}, T0 + timedelta(minutes=59))
    assert left_over.exists()
    save(layout, "funding", {}, T0 + timedelta(minutes=61))
    assert not left_over.exists()
    assert len(list(load(layout))) == 1


def test_a_damaged_result_is_named(home):
    path = save(Layout.of(home), "funding", {}, T0)
    path.write_text('{"resul')
    with pytest.raises(DataError, match=path.name):
        build_docs(home)


def test_processes_judge_and_build_at_the_same_time_in_silence_and_without_network(tmp_path):
    command = [sys.executable, "-W", "error", "-c", ALONE, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    assert [(process.communicate()[0], process.returncode) for process in both] == [("", 0), ("", 0)]
    results = list(load(Layout(tmp_path)))
    assert 1 <= len(results) <= 2  # all said the same about the same partition on the same day, or just around midnight
    pages = list((tmp_path / "gx" / "data_docs" / "validations").rglob("*.html"))
    assert 1 <= len(pages) <= 2


def test_a_verdict_leaves_one_file_and_no_pages(home):
    verdict(home, "BTC", 0.0001)
    files = [path for path in home.root.rglob("*") if path.is_file() and path.parent.name != "tally"]
    assert [path.parent for path in files] == [home.root / "gx" / "validations" / "funding"]
    assert pl.Series([path.suffix for path in files]).to_list() == [".json"]
