"""What may be asked of the tracking UI: a list, from our own page, for this very server."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.tracking_ui.allowed import refuse
from model_registry.tracking_ui.graphql_reads import rewrite_question

PORT = 5000
OWN = [(b"host", b"127.0.0.1:5000")]
READS = [
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/static-files/static/js/main.c2f5f8d4.js"),
    ("GET", "/static-files/favicon.ico"),
    ("GET", "/ajax-api/2.0/mlflow/runs/get"),
    ("POST", "/ajax-api/2.0/mlflow/runs/search"),
    ("POST", "/graphql"),
    ("GET", "/ajax-api/2.0/mlflow/logged-models/m-1"),
    ("GET", "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files"),
    ("GET", "/get-artifact"),
]


@pytest.mark.parametrize(("method", "path"), READS)
@pytest.mark.parametrize(
    "more",
    [
        [],
        [(b"origin", b"http://127.0.0.1:5000"), (b"sec-fetch-site", b"same-origin"), (b"sec-fetch-mode", b"cors")],
        [(b"sec-fetch-site", b"none"), (b"sec-fetch-mode", b"navigate")],
    ],
)
def test_the_pages_may_read(method, path, more):
    assert refuse(method, path, OWN + more, PORT) is None


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"evil.example",
        b"evil.example:5000",
        b"127.0.0.1",
        b"127.0.0.1:80",
        b"127.0.0.1:50000",
        b"127.0.0.1:5000.evil.example",
        b"127.0.0.1.evil.example:5000",
        b"evil@127.0.0.1:5000",
        b"127.0.0.1:5000@evil",
        b"0.0.0.0:5000",
        b"[::1]:5000",
        b"localhost.:5000",
        b"127.1:5000",
        b"2130706433:5000",
        b"127.0.0.1:5000\x00",
        b"127.0.0.1:5000,evil",
        b"\xff",
    ],
)
def test_another_name_for_this_machine_is_refused_for_every_path(host):
    for method, path in READS:
        refusal = refuse(method, path, [(b"host", host)], PORT)
        assert refusal is not None
        assert refusal.reason == "the host is not this one: open http://127.0.0.1:5000"


def test_no_host_two_hosts_and_capitals():
    assert refuse("GET", "/", [], PORT)
    assert refuse("GET", "/", [*OWN, *OWN], PORT)
    assert refuse("GET", "/", [*OWN, (b"Host", b"evil")], PORT)
    assert refuse("GET", "/", [(b"Host", b"LOCALHOST:5000")], PORT) is None


@pytest.mark.parametrize(
    "headers",
    [
        [(b"origin", b"http://evil.example")],
        [(b"origin", b"null")],
        [(b"origin", b"http://127.0.0.1:5001")],
        [(b"origin", b"https://127.0.0.1:5000")],
        [(b"origin", b"http://localhost:5000"), (b"origin", b"http://evil.example")],
        [(b"Origin", b"http://evil.example")],
        [(b"sec-fetch-site", b"cross-site")],
        [(b"sec-fetch-site", b"same-site")],
        [(b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"no-cors")],
        [(b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate"), (b"origin", b"http://evil.example")],
    ],
)
def test_what_another_page_asks_is_refused(headers):
    for method, path in READS:
        assert refuse(method, path, OWN + headers, PORT) is not None


def test_a_link_from_elsewhere_opens_the_page_and_nothing_else():
    followed = [(b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate")]
    assert refuse("GET", "/", OWN + followed, PORT) is None
    assert refuse("POST", "/", OWN + followed, PORT) is not None
    assert refuse("GET", "/get-artifact", OWN + followed, PORT) is not None


@given(
    st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND", ""]),
    st.text(max_size=60) | st.sampled_from([path for _, path in READS]),
)
def test_nothing_but_the_listed_searches_is_asked_with_another_method(method, path):
    if (method, path) not in READS:
        assert refuse(method, path, OWN, PORT) is not None


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/../",
        "/static-files/../../mlflow.db",
        "/static-files/a/../../b",
        "/static-files//etc/passwd",
        "/static-files/.hidden",
        "/static-files/a\x00b",
        "/static-files/",
        "/ajax-api/2.0/mlflow/runs/get/",
        "/AJAX-API/2.0/mlflow/runs/get",
        "/api/2.0/mlflow/runs/get",
        "/ajax-api/2.0/mlflow/runs/get\n",
        "/ajax-api/2.0/mlflow/logged-models/m-1/",
        "/ajax-api/2.0/mlflow/logged-models/m-1/tags",
        "/ajax-api/2.0/mlflow/logged-models/../runs/delete",
        "/ajax-api/2.0/mlflow/logged-models/m/x/artifacts/files",
        "/ajax-api/2.0/mlflow-artifacts/artifacts/x",
        "/ajax-api/2.0/mlflow/get-trace-artifact",
        "/metrics",
        "/gateway/x/mlflow/invocations",
    ],
)
def test_paths_that_only_look_listed_are_refused(path):
    refusal = refuse("GET", path, OWN, PORT)
    assert refusal is not None
    assert refusal.reason.isprintable()


@given(st.text(max_size=60))
def test_no_path_outside_the_list_passes(path):
    parts = path.split("/")
    if path != "/" and "static-files" not in parts and "ajax-api" not in parts:
        assert refuse("GET", path, OWN, PORT) is not None or path in {
            "/get-artifact",
            "/model-versions/get-artifact",
            "/health",
            "/version",
        }


RUN = "query GetRun($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) { run { info { runName } } } }"
QUESTIONS = {
    "the page's own": (RUN, True),
    "a search, which MLflow calls a mutation": (
        "mutation { mlflowSearchRuns(input: {}) { runs { info { runId } } } }",
        True,
    ),
    "through a fragment": (
        'query { ...A } fragment A on Query { mlflowGetRun(input: {runId: "1"}) { __typename } }',
        True,
    ),
    "inline": ("{ ... on Query { mlflowGetExperiment(input: {}) { __typename } } }", True),
    "files": ('{ mlflowListArtifacts(input: {runId: "1"}) { rootUri } }', False),
    "files under another name": ("{ mlflowGetRun: mlflowListArtifacts(input: {}) { rootUri } }", False),
    "a mutation of another version": ("mutation { mlflowDeleteRun(input: {}) { __typename } }", False),
    "one beside a search": (
        "mutation { mlflowSearchRuns(input: {}) { __typename } mlflowSetTag { __typename } }",
        False,
    ),
    "in the second operation": ("query A { __typename } mutation B { mlflowSetTag { __typename } }", False),
    "inside a fragment": ("mutation { ...A } fragment A on Mutation { mlflowSetTag { __typename } }", False),
    "inside a fragment of a fragment": (
        "query { ...A } fragment A on Query { ...B } fragment B on Query { mlflowSetTag { __typename } }",
        False,
    ),
    "an unknown fragment": ("query { ...A }", False),
    "a fragment inside itself": ("query { ...A } fragment A on Query { ...A }", False),
    "a subscription": ("subscription { mlflowWatch }", False),
    "the schema": ("{ __schema { types { name } } }", False),
    "a definition": ("type A { b: String }", False),
    "a definition beside a question": (RUN + " extend type A { b: String }", False),
    "fragments alone": ("fragment A on Query { mlflowGetRun { __typename } }", False),
    "no GraphQL": ("mlflowGetRun", False),
    "nothing": ("", False),
    "too long": ("{ " + "a: mlflowGetRun(input: {}) { __typename } " * 1000 + "}", False),
    "too deep": ("{" * 50_000, False),
    "deep lists": ("{ mlflowGetRun(input: " + "[" * 20_000 + " }", False),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_only_questions_that_read_are_passed_on(name):
    query, passes = QUESTIONS[name]
    rewritten = rewrite_question(json.dumps({"query": query, "variables": {"a": 1}, "more": 1}).encode())
    assert (rewritten is not None) == passes
    if passes:
        assert json.loads(rewritten) == {"query": query, "variables": {"a": 1}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"query"',
        b"{}",
        b'{"query": null}',
        b'{"query": ["{ mlflowGetRun }"]}',
        b'[{"query": "{ mlflowGetRun { __typename } }"}]',
        b"\xff\xfe",
        b"query={mlflowGetRun}",
    ],
)
def test_a_body_that_is_no_question_is_refused(body):
    assert rewrite_question(body) is None


def test_what_is_looked_at_is_what_is_passed_on():
    """Two queries in one body, and a spelling that another reader of JSON might take for something else."""
    body = b'{"query": "mutation { mlflowSetTag { __typename } }", "query": "{ mlflowGetRun { __typename } }"}'
    assert json.loads(rewrite_question(body)) == {"query": "{ mlflowGetRun { __typename } }"}
    wide = '{"query": "{ mlflowGetRun { __typename } }"}'.encode("utf-16")
    assert json.loads(rewrite_question(wide)) == {"query": "{ mlflowGetRun { __typename } }"}


@given(st.text(alphabet='{}()[]:.!$@ "mlflowGetRunSearch_typename\n#,', max_size=80))
def test_no_text_brings_the_reader_down(text):
    rewrite_question(json.dumps({"query": text}).encode())
