"""The tracking UI of a real process in a real browser: its pages show what they should, and a page of a run is dead."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from model_registry.connection import open_client
from pairity.layout import Layout

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ROOT = Path(__file__).parents[3]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCRIPT = "<h1>a report</h1><script>document.body.innerHTML = 'it' + 'ran'</script>"


def find_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def known(signed_registry):
    with signed_registry.restored():
        client = open_client(Layout.of(signed_registry.settings))
        run_id = signed_registry.versions[0].run_id
        folder = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
        (folder / "page.html").write_text(SCRIPT)
        for step in range(3):
            client.log_metric(run_id, "model_net_return", 0.1 * step, step=step)
        yield signed_registry


@pytest.fixture(scope="module")
def address(known):
    port = find_free_port()
    secrets = {"PAIRITY_EXCHANGE__API_SECRET": "hush-hush", "AWS_SECRET_ACCESS_KEY": "hush-hush"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pairity_cli", "ui", "--port", str(port)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PAIRITY_HOME": str(known.settings.root), **secrets},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=known.settings.root,
    )
    try:
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()  # from now on it answers
        assert "hush-hush" not in Path(f"/proc/{process.pid}/environ").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
        assert "Traceback" not in rest


def look(address, place, tmp_path, *wanted):
    """The page as the browser has it after its scripts ran; looked at again while a busy machine leaves parts out."""
    command = [
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--window-size=1400,900",
    ]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=30000", "--dump-dom"]
    for _ in range(4):
        done = subprocess.run(
            [*command, f"{address}/#{place}"], capture_output=True, text=True, timeout=120, check=True
        )
        if all(words in done.stdout for words in wanted):
            return done.stdout
    pytest.fail(f"{place} does not show {wanted}")


@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")
def test_runs_models_and_charts_are_shown(address, known, tmp_path):
    run_id = known.versions[0].run_id
    client = open_client(Layout.of(known.settings))
    experiment, name = client.get_run(run_id).info.experiment_id, client.get_run(run_id).info.run_name
    look(address, f"/experiments/{experiment}/runs", tmp_path, name)
    look(address, f"/experiments/{experiment}/runs/{run_id}", tmp_path, "model_net_return")
    look(address, f"/experiments/{experiment}/runs/{run_id}/model-metrics", tmp_path, "js-plotly-plot")
    look(address, "/models", tmp_path, known.name)
    look(address, f"/models/{known.name}/versions/2", tmp_path, "champion", known.versions[1].sha256[:12])
    page = look(address, f"/experiments/{experiment}/runs/{run_id}/artifacts/page.html", tmp_path, "page.html")
    assert "itran" not in page


@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")
def test_a_page_of_another_origin_reads_and_writes_nothing(address, known, tmp_path):
    """What a page on the web can try against a server on this machine."""
    asked = f"{address}/ajax-api/2.0/mlflow"
    page = tmp_path / "page.html"
    page.write_text(
        "<pre id=said></pre><script>Promise.allSettled(["
        f"fetch('{asked}/registered-models/search').then(a => a.text()),"
        f"fetch('{asked}/registered-models/search', {{mode: 'no-cors'}}).then(a => a.text()),"
        f"fetch('{asked}/registered-models/create', {{method: 'POST', mode: 'no-cors', body: '{{\"name\": \"x\"}}'}})"
        "]).then(all => { said.innerText = 'DONE ' + JSON.stringify(all) })</script>"
    )
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "DONE" in shown
    assert not re.search(known.name, shown)
    assert not open_client(Layout.of(known.settings)).search_registered_models("name = 'x'")


def test_over_the_wire_changes_are_refused(address, known):
    for method, path in (
        ("POST", "/api/2.0/mlflow/registered-models/alias"),
        ("POST", "/ajax-api/2.0/mlflow/registered-models/alias"),
        ("DELETE", "/ajax-api/2.0/mlflow/model-versions/delete"),
        ("PATCH", "/ajax-api/2.0/mlflow/model-versions/update"),
        ("POST", "/v1/traces"),
    ):
        body = b'{"name": "pair_forest", "alias": "champion", "version": "3"}'
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(address + path, body, headers, method=method)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=10)
        with caught.value as answer:
            assert answer.code == 403
    client = open_client(Layout.of(known.settings))
    assert str(client.get_model_version_by_alias(known.name, "champion").version) == "2"
