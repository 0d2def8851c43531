"""A run whose names, tags, parameters and tables were planted: the page shows them as text, the file stays at home."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape

import polars as pl
import pytest

from pairity.csv_files import escape_formulas
from pairity.errors import RegistryError
from tests.training import synthetic_run
from training.reports.contents import ContenderLine, RunContents
from training.reports.page import render_page
from training.reports.report_file import name_file

EVIL = "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\">'"
HOSTILE_NAMES = ("../../x", "/etc/passwd", "a/b", EVIL, "", ".", "..", "x\x00", "x\n", "CON", "-rf", "ü")


@pytest.fixture(scope="module")
def contents():
    result = synthetic_run.run("both")
    metrics = {"final_equity_usdt": 1010.0, "net_return": 0.01}
    line = ContenderLine(EVIL, EVIL, metrics, result.equity, result.trades)
    importance = pl.DataFrame({"feature": [EVIL, "b"], "importance": [0.5, 0.5]})
    return RunContents(
        run_id="0" * 32,
        name=EVIL,
        started=EVIL,
        tags={"snapshot_id": EVIL},
        params={EVIL: EVIL},
        metrics=metrics,
        lines=(line,),
        tables={"feature_importance": importance},
    )


def test_what_was_planted_is_text(contents):
    page = render_page(contents)
    assert "<img" not in page
    assert "<script" not in page
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', unescape(page))
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "unsafe-eval" not in policy


@pytest.mark.slow
def test_in_a_browser_the_figures_are_drawn_and_nothing_runs(contents, tmp_path):
    page = render_page(contents)
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no browser to look at the page with")
    path = tmp_path / "page.html"
    path.write_text(page)
    dom = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--virtual-time-budget=8000", "--dump-dom", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert "<title>run</title>" not in dom
    assert dom.count("<svg") > 3


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_planted_run_name_leads_no_file_out_of_the_reports(contents, name):
    assert name_file(replace(contents, name=name)) == "run-000000000000.html"


def test_names_in_use_stay_in_the_file_name(contents):
    assert name_file(replace(contents, name="pair_forest")) == "pair_forest-000000000000.html"


def test_a_planted_run_id_is_refused(contents):
    with pytest.raises(RegistryError, match="run id of the tracking store"):
        name_file(replace(contents, run_id="../../../../x"))


FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")', "-x", "+")
FORMULAS += ("＝1+1", "＋1", "－x", "＠SUM(A1)", " =1+1", "\u00a0=1", "\ufeff=1", "\u200b@x", "\x0b-x", "  －1")
PLAIN = ("BTC", "-0.5", "+1", "-1e-5", "", "a=b", "–", "1-2", "a ＝ b", " a", "\u00a0b")


def test_spreadsheets_compute_nothing_of_what_is_written(tmp_path):
    rows = pl.DataFrame({"text": [*FORMULAS, *PLAIN, None], "value": [-1.5] * (len(FORMULAS) + len(PLAIN) + 1)})
    path = tmp_path / "x.csv"
    escape_formulas(rows).write_csv(path)
    with path.open(newline="") as file:
        back = [row["text"] for row in csv.DictReader(file)]
    assert back == [*("'" + text for text in FORMULAS), *PLAIN, ""]
    assert "-1.5" in path.read_text()


def test_what_has_no_such_text_is_written_byte_for_byte_as_before():
    rows = pl.DataFrame({"asset": ["BTC", None], "net": [-0.1, 2.0], "n": [1, -2]})
    assert escape_formulas(rows).write_csv() == rows.write_csv()
