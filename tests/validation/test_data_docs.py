"""Data Docs name suites and culprits, stay small, and are written by processes that neither meet nor phone anyone."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from pairity.durable import temporary_path
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.settings import Settings
from tests.validation.frames import T0, candles, funding, profile
from validation.checkpoint import build_docs, judge
from validation.measurements import Measurements
from validation.results import KEPT, KEPT_FILES, load, save

ROOT = Path(__file__).parents[2]
HOUR = timedelta(hours=1)
ALONE = """
import socket, sys
from pathlib import Path

def refuse(*args, **kwargs):
    raise AssertionError(f"network asked for: {args}")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from pairity.settings import Settings
from tests.validation.frames import funding, profile
from validation.checkpoint import build_docs, judge

settings = Settings(home=Path(sys.argv[1]))
for hour in range(4):
    verdict = judge(settings, {"funding": profile(funding((0.5,)), "funding")})["funding"]
    assert list(verdict.failed) == ["BTC/2025-04"]
assert build_docs(settings).is_file()
"""


@pytest.fixture
def home(tmp_path):
    return Settings(home=tmp_path)


def verdict(home, key, *rates):
    return judge(home, {"funding": profile(funding(rates), "funding", key=key)})


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
    verdict(home, "BTC/2025-04", 0.0001)
    first = build_docs(home)
    (first.parent / "old.html").write_text("of an earlier time")
    assert build_docs(home) == first
    assert not (first.parent / "old.html").exists()
    assert sorted(path.name for path in first.parents[1].iterdir()) == [
        ".data_docs.lock",
        "data_docs",
        "validations",
        "verdicts",
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


def store(layout, at, *suites, failed=()):
    measured = [Measurements.of(suite, profile(rows, suite)) for suite, rows in suites]
    return save(layout, measured, {suite: failed for suite, _ in suites}, at)


def test_the_newest_results_of_each_suite_are_returned_and_the_newest_files_are_kept(tmp_path):
    layout = Layout(tmp_path)
    for day in range(KEPT + 5):
        store(layout, T0 + timedelta(days=day), ("funding", funding()))
    store(layout, T0, ("candles_1m", candles()))
    results = load(layout)
    kept = {suite: [r.at for r in results if r.suite == suite] for suite in ("funding", "candles_1m")}
    assert kept == {"funding": [T0 + timedelta(days=day) for day in range(5, KEPT + 5)], "candles_1m": [T0]}
    assert results[-1].process == os.getpid()
    for day in range(KEPT_FILES + 5):
        store(layout, T0 + timedelta(days=day), ("funding", funding()))
    assert len(list((tmp_path / "gx" / "validations").glob("*.json"))) == KEPT_FILES


def test_a_file_holds_numbers_and_limits_of_all_suites_of_a_stage(tmp_path):
    layout = Layout(tmp_path)
    both = ("funding", funding((0.5,))), ("candles_1m", candles())
    path = store(layout, T0, *both, failed=("rates_out_of_bounds",))
    assert path.parent == tmp_path / "gx" / "validations"
    results = {result.suite: result for result in load(layout)}
    for suite, rows in both:
        expected, found = Measurements.of(suite, profile(rows, suite)), results[suite].measured
        assert (found.rules, found.keys) == (expected.rules, ("BTC/2025-04",))
        assert found.values.tolist() == expected.values.tolist()
        assert (results[suite].about, results[suite].failed) == ("BTC of 2025-04", ("rates_out_of_bounds",))


def test_a_day_shows_a_suite_once_however_the_suites_are_judged_together(tmp_path):
    layout = Layout(tmp_path)
    store(layout, T0, ("candles_1m", candles()))
    store(layout, T0 + HOUR, ("candles_1m", candles()), ("funding", funding()))
    store(layout, T0 + 2 * HOUR, ("candles_1m", candles()))
    assert [(r.suite, r.at) for r in load(layout)] == [("funding", T0 + HOUR), ("candles_1m", T0 + 2 * HOUR)]
    assert len(list((tmp_path / "gx" / "validations").glob("*.json"))) == 2


def test_a_page_shows_the_limits_that_were_in_force(home):
    path = store(Layout.of(home), T0, ("funding", funding()))
    stored = json.loads(path.read_text())
    stored["suites"]["funding"]["rules"]["an_old_rule"] = ["an_old_rule", None, 7.0, True, 8.0]
    path.write_text(json.dumps(stored))
    (page,) = (build_docs(home).parent / "validations").rglob("*.html")
    assert re.search(r"an_old_rule.*?less than or equal to.*?7", page.read_text(), re.DOTALL)


def test_what_an_earlier_version_wrote_is_not_read_and_the_overview_says_so(home):
    old = home.root / "gx" / "validations" / "funding" / "20250401T000000000000Z-1-abcdefghij.json"
    old.parent.mkdir(parents=True)
    old.write_text('{"about": "BTC", "result": {"success": true, "results": []}}')
    (home.root / "gx" / "tally").mkdir()
    (home.root / "gx" / "tally" / "funding.json").write_text('{"2025-04": {"BTC": true}}')
    assert load(Layout.of(home)) == []
    assert "1 validation results of an earlier version" in build_docs(home).read_text()


def test_what_a_killed_writer_left_goes_after_an_hour(tmp_path):
    layout = Layout(tmp_path)
    left_over = temporary_path(store(layout, T0, ("funding", funding())))
    left_over.write_text('{"resul')
    store(layout, T0 + timedelta(minutes=59), ("funding", funding()))
    assert left_over.exists()
    store(layout, T0 + timedelta(minutes=61), ("funding", funding()))
    assert not left_over.exists()
    assert len(load(layout)) == 1


def test_a_damaged_result_is_named(home):
    path = store(Layout.of(home), T0, ("funding", funding()))
    path.write_text('{"resul')
    with pytest.raises(DataError, match=path.name):
        build_docs(home)


@pytest.mark.slow
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
    results = load(Layout(tmp_path))
    assert 1 <= len(results) <= 2  # all said the same about the same partition on the same day, or just around midnight
    pages = list((tmp_path / "gx" / "data_docs" / "validations").rglob("*.html"))
    assert 1 <= len(pages) <= 2


def test_a_stage_leaves_two_files_and_no_pages_and_says_nothing_twice(home):
    profiles = {"funding": profile(funding(), "funding"), "candles_1m": profile(candles(), "candles_1m")}
    judge(home, profiles)
    files = {path: path.stat().st_ino for path in home.root.rglob("*.*") if path.is_file() and path.suffix}
    assert sorted(path.parent.name for path in files) == ["validations", "verdicts"]
    judge(home, profiles)
    counts = home.root / "gx" / "verdicts" / "2025-04.json"
    assert counts.stat().st_ino == files[counts]  # nothing new: not written again


def test_a_suite_that_comes_first_imports_great_expectations_without_analytics_and_warnings():
    code = (
        "from validation.expectations import *; register_suite('candles_1h'); print(os.environ['GX_ANALYTICS_ENABLED'])"
    )
    child = [sys.executable, "-W", "error::DeprecationWarning", "-c", code]
    done = subprocess.run(child, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "false\n"), done.stderr
