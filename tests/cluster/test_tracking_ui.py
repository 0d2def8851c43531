"""`pairity ui` over runs in PostgreSQL: they are shown, and the database refuses every write of its process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from model_registry.connection import open_client
from model_registry.tracking_ui.server import DATABASE, list_variables
from pairity.child_environment import make_child_environment
from pairity.configuration import load_settings
from pairity.layout import Layout
from tests.cluster.conftest import use_own_database
from tools.local_cluster.services import find_port
from training import tracking
from training.run_records import FamilyRun

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

WRITES = """
import os, sys
from pathlib import Path
from model_registry.connection import open_client
from model_registry.tracking_ui.server import DATABASE, load_server
from pairity.layout import Layout
layout = Layout(Path(sys.argv[1]), os.environ[DATABASE])
load_server(layout)
try:
    open_client(layout).create_experiment("written")
except Exception as error:
    print("refused" if "read-only" in str(error) else error)
"""


def test_runs_in_postgresql_are_shown_and_cannot_be_changed(tmp_path, monkeypatch):
    use_own_database(monkeypatch)
    layout = Layout.of(load_settings(home=tmp_path / "home"))
    tracking.log_backtest(layout, FamilyRun(name="shown", params={}, metrics={}, tags={}))
    wanted = {one.name for one in open_client(layout).search_experiments()}
    environment = make_child_environment(list_variables(layout))
    assert environment[DATABASE] == layout.tracking_database
    done = subprocess.run(
        [sys.executable, "-c", WRITES, str(layout.root)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "refused\n", done.stdout + done.stderr
    port = find_port()
    command = [sys.executable, "-m", "pairity_cli", "ui", "--port", str(port)]
    environ = {**os.environ, "PAIRITY_HOME": str(layout.root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert f"http://127.0.0.1:{port}" in process.stdout.readline()
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow/experiments/search",
                json.dumps({"max_results": 10}).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(asked, timeout=60) as answer:
                names = {one["name"] for one in json.load(answer)["experiments"]}
        finally:
            process.send_signal(signal.SIGTERM)
    assert names == wanted
    assert "written" not in names
