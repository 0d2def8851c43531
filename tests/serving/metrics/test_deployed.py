"""Rules and dashboard: what they ask for is what a process exposes, and what they say is tried with promtool."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pairity.timeline import HOUR
from serving.metrics import counting_requests
from serving.sightings import DriftSighting, ParitySighting
from tests.house.source_tree import ROOT
from tests.serving.guarding import Guard
from tests.serving.metrics.scraping import readings_of, scrape
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import T0, decision_of, entry, exit_of, opened
from venue.request_reports import Outcome, report_request

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "pairity.json"
_NAME = re.compile(r"\bpairity_[a-z_]+\b")
_SELECTOR = re.compile(r"\b(pairity_[a-z_]+)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+) *(?:=~|!~|!=|=)")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
OF_PROMETHEUS = {"instance", "job", "le", "alertname"}


def promtool() -> str:
    found = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not here: install Prometheus, or name it in PROMTOOL")
    return found


def check(*arguments: str, folder: Path = PROMETHEUS) -> None:
    done = subprocess.run([promtool(), *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def dashboard_expressions() -> list[str]:
    board = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def rule_expressions() -> list[str]:
    """The expressions of the rules file, without a reader of YAML: each begins with `expr:` and ends with a key."""
    return re.findall(r"expr: (.*?)\n +(?:for|labels):", (PROMETHEUS / "rules.yml").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Names of the samples of a process that has seen everything, with the labels of each."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    guard = Guard(TinyOkx(), home)

    async def trade() -> None:
        position = await opened(guard.desk)
        decided = guard.desk.decide(exits=exit_of(position), at=T0 + HOUR)
        await guard.desk.executor.close(position, "test", decided.decision_id)
        await guard.watch.look()

    with counting_requests(guard.parts.metrics):
        asyncio.run(trade())
        report_request("GET", "/x", Outcome("ok", ""), time.perf_counter())
    status, seen, metrics = guard.status, guard.parts.sightings, guard.parts.metrics
    status.equity_usdt = status.available_usdt = 1.0
    status.stream, status.event_timestamp = {"state": "open"}, T0.isoformat()
    seen.clock_skew_s, seen.drift = 0.1, DriftSighting(T0, 0.1, {})
    seen.parity = ParitySighting(T0, 24, 100, 0, blocks=False)
    metrics.count_decision(decision_of(entry()))
    metrics.count_error("venue")
    metrics.observe_steps({"decision": 1.0})
    found = scrape(metrics, readings_of(guard, pulse_age_s=lambda: 1.0, lost_lines=lambda: 0))
    guard.desk.journal.close()
    labels: dict[str, set[str]] = {}
    for name, pairs in found:
        labels.setdefault(name, set()).update(label for label, _ in pairs)
    return labels


@pytest.mark.parametrize("where", ["rules", "dashboard"])
def test_every_metric_that_is_asked_for_is_exposed(exposed: dict[str, set[str]], where: str) -> None:
    expressions = rule_expressions() if where == "rules" else dashboard_expressions()
    assert len(expressions) >= 17
    asked = {name for text in expressions for name in _NAME.findall(text)}
    assert asked - set(exposed) == set()
    for text in expressions:
        for name, selector in _SELECTOR.findall(text):
            assert set(_LABEL.findall(selector)) <= exposed[name] | OF_PROMETHEUS, text
        for grouped in _GROUPED.findall(text):
            of_all = set().union(*(exposed[name] for name in _NAME.findall(text)))
            assert {label.strip() for label in grouped.split(",")} <= of_all | OF_PROMETHEUS, text


def test_the_series_of_the_rules_tests_are_exposed_too(exposed: dict[str, set[str]]) -> None:
    text = (PROMETHEUS / "rules_test.yml").read_text()
    for name, selector in _SELECTOR.findall(text):
        assert set(_LABEL.findall(selector)) <= exposed[name] | OF_PROMETHEUS


def test_every_alert_has_a_place_in_the_guide_and_a_test() -> None:
    alerts = re.findall(r"- alert: (\w+)", (PROMETHEUS / "rules.yml").read_text())
    guide, tests = (ROOT / "docs" / "operations.md").read_text(), (PROMETHEUS / "rules_test.yml").read_text()
    assert [name for name in alerts if f"`{name}`" not in guide] == []
    assert [name for name in alerts if tests.count(name) < 2] == []


def test_the_rules_are_right_and_do_what_their_tests_say() -> None:
    check("check", "rules", "rules.yml")
    check("check", "config", "prometheus.yml")
    check("test", "rules", "rules_test.yml")


def test_the_dashboards_expressions_are_right(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$instance", "a")}
        for number, text in enumerate(dashboard_expressions())
    ]
    # JSON is YAML
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    check("check", "rules", "rules.yml", folder=tmp_path)


def test_the_dashboard_is_whole() -> None:
    board: dict[str, Any] = json.loads(DASHBOARD.read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
