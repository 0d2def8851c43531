"""MLflow's own server behind the layer: every route that it has and that could change something is refused."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from model_registry.connection import open_client
from model_registry.tracking_ui.allowed import refuse
from model_registry.tracking_ui.read_only import ReadOnly
from pairity.layout import Layout

ROOT = Path(__file__).parents[3]
PORT = 5000
# Searches that MLflow takes with POST. Whoever adds one has looked at what its handler does.
READ_WITH_POST = {
    "/ajax-api/2.0/mlflow/experiments/search",
    "/ajax-api/2.0/mlflow/experiments/search-datasets",
    "/ajax-api/2.0/mlflow/logged-models/search",
    "/ajax-api/2.0/mlflow/runs/search",
    "/ajax-api/3.0/mlflow/traces/search",
    "/graphql",
}
ROUTES = """
import json, sys
from model_registry.tracking_ui.server import load_server
from pairity.layout import Layout
from pathlib import Path
app = load_server(Layout(Path(sys.argv[1])))
from mlflow.server import app as flask, handlers
found = {(str(rule), method) for rule in flask.url_map.iter_rules() for method in rule.methods}
found |= {(path, method) for path, _, methods in handlers.get_endpoints() for method in methods}
def walk(routes, prefix=""):
    for route in routes:
        if hasattr(route, "original_router"):
            walk(route.original_router.routes, prefix + (route.include_context.prefix or ""))
        elif hasattr(route, "methods"):
            found.update((prefix + route.path, method) for method in route.methods or ())
walk(app.routes)
print("ROUTES " + json.dumps(sorted(found)))
try:
    from mlflow import MlflowClient
    MlflowClient(tracking_uri=sys.argv[2], registry_uri=sys.argv[2]).create_registered_model("intruder")
except Exception as error:
    print("REFUSED " + str(error).splitlines()[0])
"""


@pytest.fixture(scope="module")
def known(signed_registry):
    with signed_registry.restored():
        yield signed_registry


@pytest.fixture(scope="module")
def served(known):
    """What the process of the UI has to say: its routes, and what its database says to a write."""
    layout = Layout.of(known.settings)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ROUTES, str(layout.root), layout.tracking_uri],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    assert "ROUTES" in lines, done.stderr
    return lines


def test_every_route_of_mlflow_that_is_not_listed_is_refused(served):
    routes = json.loads(served["ROUTES"])
    assert len(routes) > 400  # else the table was not found
    assert {prefix for prefix in ("/gateway", "/v1/traces", "/ajax-api/3.0/mlflow/assistant") for path, _ in routes
            if path.startswith(prefix)} == {"/gateway", "/v1/traces", "/ajax-api/3.0/mlflow/assistant"}  # fmt: skip
    passed = set()
    for path, method in routes:
        for filled in {re.sub(r"<[^>]*>|\{[^}]*\}", value, path) for value in ("m-1", "1", "a/b")}:
            for prefix in ("", "/static-prefix"):
                if refuse(method, prefix + filled, [(b"host", b"127.0.0.1:5000")], PORT) is None:
                    passed.add((method, path))
    assert {path for method, path in passed if method == "POST"} == READ_WITH_POST
    assert {method for method, _ in passed} == {"GET", "HEAD", "POST"}
    changing = re.compile(
        "create|update|delete|set|log-|restore|upload|rename|transition|cancel|invoke|generate|presigned"
    )
    read = {path for method, path in passed if method != "POST"}
    assert {path for path in read if changing.search(path.rpartition("/")[2])} == set()


def test_the_database_itself_refuses_writes_of_that_process(served, known):
    assert "readonly database" in served["REFUSED"] or "read-only" in served["REFUSED"]
    assert open_client(Layout.of(known.settings)).search_registered_models("name = 'intruder'") == []


async def reached(scope, receive, send):
    """Stands for MLflow: says what it was asked."""
    body = (await receive())["body"].decode()
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    said = json.dumps({"path": scope["path"], "body": body, "headers": headers}).encode()
    allow = (b"access-control-allow-origin", b"*")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html"), allow]})
    await send({"type": "http.response.body", "body": said})


@pytest.fixture
def ask(known):
    def send(method, path, **more):
        async def once():
            application = ReadOnly(reached, Layout.of(known.settings), PORT)
            transport = httpx.ASGITransport(application)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5000") as client:
                return await client.request(method, path, **more)

        return asyncio.run(once())

    return send


def test_a_refusal_says_what_to_do_instead(ask):
    answer = ask("POST", "/ajax-api/2.0/mlflow/model-versions/set-tag", json={"key": "gate", "value": "passed"})
    assert answer.status_code == 403
    assert "it is for looking only. Change things with pairity train, promote, rollback and models" in answer.text
    assert ask("GET", "/", headers={"host": "evil.example:5000"}).status_code == 403
    assert ask("GET", "/", headers={"origin": "http://evil.example"}).status_code == 403
    assert ask("POST", "/graphql", json={"query": "mutation { mlflowSetTag }"}).status_code == 403
    assert ask("POST", "/ajax-api/2.0/mlflow/runs/search", content=b"x" * 2_000_000).status_code == 413


def test_pages_run_only_their_own_scripts_and_talk_to_nobody_else(ask):
    headers = ask("GET", "/").headers
    policy = {part.split()[0]: part.split()[1:] for part in headers["content-security-policy"].split(";")}
    assert policy["script-src"] == ["'self'", "'unsafe-eval'"]
    assert policy["connect-src"] == ["'self'", "data:", "blob:"]
    assert policy["frame-ancestors"] == policy["object-src"] == policy["form-action"] == ["'none'"]
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert "access-control-allow-origin" not in headers


def test_a_question_arrives_as_it_was_looked_at(ask):
    query = {"query": "{ mlflowGetRun { __typename } }"}
    odd = {"content-type": "text/plain", "content-encoding": "gzip"}
    said = ask("POST", "/graphql", content=json.dumps(query | {"x": 1}).encode(), headers=odd).json()
    assert json.loads(said["body"]) == query
    assert said["headers"]["content-type"] == "application/json"
    assert said["headers"]["content-length"] == str(len(said["body"]))
    assert "content-encoding" not in said["headers"]


def test_there_is_no_gateway_and_no_socket(ask, known):
    assert ask("GET", "/ajax-api/2.0/mlflow/gateway-proxy?gateway_path=http://evil").json() == {"endpoints": []}
    sent = []

    async def send(message):
        sent.append(message)

    application = ReadOnly(reached, Layout.of(known.settings), PORT)
    asyncio.run(application({"type": "websocket", "path": "/", "headers": []}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.fixture
def run(known):
    """A run with files that a browser would run."""
    client = open_client(Layout.of(known.settings))
    run_id = known.versions[0].run_id
    folder = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
    files = {
        "page.html": b"<script>alert(1)</script>",
        "vector.svg": b"<svg onload='alert(1)'/>",
        "table.csv": b"a,b\n",
        "equity.png": b"\x89PNG",
        "evil.js": b"alert(1)",
        "feed.xml": b"<x/>",
        "no_suffix": b"text",
        'späce "quote".html': b"x",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "inner").mkdir(exist_ok=True)
    (folder / "inner" / "deep.txt").write_bytes(b"deep")
    return run_id, folder, files


def test_files_are_attachments_in_a_sandbox_and_never_pages(ask, run):
    run_id, _, files = run
    kinds = {}
    for name, content in files.items():
        answer = ask("GET", "/get-artifact", params={"run_uuid": run_id, "path": name})
        assert (answer.status_code, answer.content) == (200, content), name
        assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
        assert answer.headers["content-disposition"].isascii()
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        kinds[name] = answer.headers["content-type"]
    assert {name: kinds[name] for name in ("page.html", "vector.svg", "evil.js", "feed.xml", "equity.png")} == {
        "page.html": "text/plain",
        "vector.svg": "application/octet-stream",
        "evil.js": "application/octet-stream",
        "feed.xml": "application/octet-stream",
        "equity.png": "image/png",
    }
    assert ask("GET", "/get-artifact", params={"run_id": run_id, "path": "inner/deep.txt"}).content == b"deep"
    assert ask("HEAD", "/get-artifact", params={"run_id": run_id, "path": "table.csv"}).content == b""


def test_files_of_a_version_and_of_a_model_are_served(ask, known):
    model_id = known.versions[0].uri.rpartition("/")[2]
    for path, params in (
        ("/model-versions/get-artifact", {"name": known.name, "version": "1", "path": "MLmodel"}),
        (f"/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files", {"artifact_file_path": "MLmodel"}),
    ):
        answer = ask("GET", path, params=params)
        assert answer.status_code == 200
        assert b"skops" in answer.content


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../x",
        "inner/../../x",
        "/etc/passwd",
        "inner",
        "",
        "absent.txt",
        "a\\..\\b",
        "page.html\x00",
        "inner/..",
        ".",
    ],
)
def test_a_path_that_leads_elsewhere_is_not_served(ask, run, path):
    run_id, _, _ = run
    answer = ask("GET", "/get-artifact", params={"run_id": run_id, "path": path})
    assert answer.status_code == 404
    assert b"root:" not in answer.content


API = "/ajax-api/2.0/mlflow"


@pytest.mark.parametrize(
    "question",
    [
        "run_id={other}&run_id={run}",
        "run_id={run}&run_id={other}",
        "run_id={run}&path=a&path=b",
        "run_id={run}&run%5Fid={other}",
        "run_id={run}&path=a&path",
        "run_id={run}&path=a&artifact_directory_path=b",
        "run_id={run}&artifact_file_path=a&path=b",
    ],
)
def test_a_question_that_can_be_read_in_two_ways_is_refused(ask, run, question):
    run = run[0]
    for path in (f"{API}/artifacts/list", f"{API}/logged-models/m-1/artifacts/directories", "/get-artifact"):
        assert ask("GET", f"{path}?{question.format(run=run, other='0' * 32)}").status_code == 403
    assert ask("GET", f"{API}/artifacts/list?run_id={run}&path=").status_code == 200


def test_links_pipes_and_folders_that_became_links_are_not_served(ask, run, tmp_path):
    run_id, folder, _ = run
    (tmp_path / "secret.txt").write_text("hush")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "way").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.txt")
    try:
        for path in ("link.txt", "way/secret.txt", "pipe.txt"):
            answer = ask("GET", "/get-artifact", params={"run_id": run_id, "path": path})
            assert (answer.status_code, "hush" in answer.text) == (404, False), path
        listing = ask("GET", "/ajax-api/2.0/mlflow/artifacts/list", params={"run_id": run_id, "path": "way"})
        assert listing.status_code == 404
        assert ask("GET", "/ajax-api/2.0/mlflow/artifacts/list", params={"run_id": run_id}).status_code == 200
    finally:
        for name in ("link.txt", "way", "pipe.txt"):
            (folder / name).unlink()


@pytest.mark.parametrize(
    "place",
    [
        "file:///etc",
        "/etc",
        "{home}",
        "file://{home}",
        "file://{home}/mlflow",
        "file://{home}/mlflow/artifacts/../..",
        "file://elsewhere{home}/mlflow/artifacts",
        "http://127.0.0.1:9/x",
        "s3://bucket/x",
        "ftp://h/x",
        "relative",
        "mlflow-artifacts:/x",
        "file:///etc?x#y",
        "runs:/x",
        "",
    ],
)
def test_a_place_that_somebody_wrote_into_the_database_is_not_read(ask, run, known, place):
    run_id, _, _ = run
    before = known.dump()
    named = place.format(home=known.settings.root)
    try:
        known.write(f"UPDATE runs SET artifact_uri = '{named}' WHERE run_uuid = '{run_id}'")
        for path in ("passwd", "mlflow.db", "pairity.toml", "table.csv"):
            answer = ask("GET", "/get-artifact", params={"run_id": run_id, "path": path})
            assert answer.status_code == 404, answer.text
        assert ask("GET", "/ajax-api/2.0/mlflow/artifacts/list", params={"run_id": run_id}).status_code == 404
    finally:
        known.put_back(before)
