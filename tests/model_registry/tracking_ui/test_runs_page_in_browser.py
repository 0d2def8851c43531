"""What the address of `pairity ui` opens in a real browser: the columns that decide, and curves over each other."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pairity.layout import Layout
from tests.model_registry.tracking_ui.test_in_a_browser import BROWSER, find_free_port
from training import tracking
from training.reports.run_curves import DRAWDOWN_CURVE, EQUITY_CURVE
from training.reports.run_views import DECIDING
from training.run_records import Curve, FamilyRun

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium is installed"),
    pytest.mark.timeout(600),
]
ROOT = Path(__file__).parents[3]
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
NET = {"pair_forest": -0.125, "always_revert": 0.25, "btc": 0.5}
PATIENCE_MS = 120_000  # of a machine that is busy with other tests


def make_family(name):
    times = [FIRST + timedelta(hours=hour) for hour in range(100)]
    values = dict.fromkeys(DECIDING, 0.5) | {"model_net_return": NET[name]}
    curves = [Curve(key, times, [float(hour) for hour in range(100)]) for key in (EQUITY_CURVE, DRAWDOWN_CURVE)]
    return FamilyRun(
        name=f"{name} 2026-01-01 to 2026-01-05",
        params={"family": name},
        metrics=values,
        tags={},
        folds=[{"fold_net_return": 0.1}],
        fold_names=[f"{name} fold 1 of 1"],
        curves=curves,
    )


@pytest.fixture(scope="module")
def address(signed_registry):
    """The address as `pairity ui` prints it, of a store whose newest run is a comparison of three families."""
    with signed_registry.restored():
        parent = FamilyRun(name="leaderboard", params={}, metrics={"lines": 3.0}, tags={})
        tracking.log_family_runs(Layout.of(signed_registry.settings), parent, [make_family(name) for name in NET])
        home = signed_registry.settings.root
        process = subprocess.Popen(
            [sys.executable, "-m", "pairity_cli", "ui", "--port", str(find_free_port())],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PAIRITY_HOME": str(home)},
            stdout=subprocess.PIPE,
            text=True,
            cwd=home,
        )
        try:
            yield re.search(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=120)  # a busy machine takes its time
            assert process.returncode == 0


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser, address):
    """The page that the address opens, on a screen of 1,600 pixels, in a browser that has not been here."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    asked = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(address)
    opened.get_by_text("3 matching runs").wait_for()
    yield opened
    host = address.partition("/#")[0]
    assert [url for url in asked if not url.startswith((host, "data:", "blob:"))] == []
    context.close()


def test_the_columns_that_decide_are_there_for_each_family_and_nothing_for_language_models(page):
    places = {}
    for name in DECIDING:
        header = page.locator(f".ag-header-cell[col-id='metrics.`{name}`']")
        header.wait_for()
        places[name] = header.bounding_box()
    assert [*places] == sorted(places, key=lambda name: places[name]["x"])
    assert all(box["x"] + box["width"] / 2 < 1600 for box in places.values())
    cells = page.locator(".ag-cell[col-id='metrics.`model_net_return`']")
    assert cells.all_inner_texts() == ["0.5", "0.25", "-0.125"]  # the best first, neither parent nor test periods
    text = page.locator("body").inner_text()
    for said in ("Welcome to MLflow Assistant", "Playground", "Judges", "AI Gateway"):
        assert said not in text


def test_the_chart_view_lays_equity_and_drawdown_of_all_families_over_each_other(page):
    page.locator("label:has(input[value=CHART])").click()
    lines = f"""() => [...document.querySelectorAll('.js-plotly-plot')]
        .filter(plot => plot.data.length >= {len(NET)} && plot.data.every(line => line.type.startsWith('scatter')))
        .map(plot => plot.data.filter(line => line.x && line.x.length === 100).map(line => String(line.x[0])))"""
    page.wait_for_function(f"() => ({lines})().filter(plot => plot.length >= {len(NET)}).length >= 2")
    for plot in page.evaluate(lines):
        assert len(set(plot)) == 1  # all begin at the same hour


def test_what_was_chosen_in_the_browser_stays(page, address):
    page.evaluate("localStorage.setItem('mlflow.workflowType_v1', '\"genai\"')")
    page.goto(address.partition("/#")[0])
    page.reload()
    page.get_by_text("Model registry").or_(page.get_by_text("Prompts", exact=True)).first.wait_for()
    assert page.evaluate("localStorage.getItem('mlflow.workflowType_v1')") == '"genai"'


def test_a_version_shows_the_gate_as_a_table(page, address, signed_registry):
    page.goto(f"{address.partition('/#')[0]}/#/models/{signed_registry.name}/versions/3")
    row = page.get_by_role("row", name="FAILED net")
    row.wait_for()
    assert row.locator("td").all_inner_texts() == ["FAILED", "net", "net return −2.00%", "above +0.00%"]
    assert row.locator("strong").inner_text() == "FAILED"
