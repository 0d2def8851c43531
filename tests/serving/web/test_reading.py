"""Every path that reads, over the wire: exact by its own description, contained where something fails."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pairity.local_requests import SECURITY_HEADERS
from serving.web.errors import ErrorAnswer
from tests.examples import examples
from tests.serving.api_scene import serving
from tests.serving.trading import T0

FIXED = (
    "status",
    "positions",
    "decisions",
    "orders",
    "trades",
    "trades/calendar",
    "equity",
    "heatmap",
    "risk",
    "model",
)
FIXED = (*FIXED, "trust", "events", "pairs/BTC__SOL/series", "assets/BTC/candles")


@pytest.fixture(scope="module")
def schema(client):
    return client.get("openapi.json")


def test_every_path_is_described_and_only_reading(schema):
    paths = {path.removeprefix("/api/v1/") for path in schema["paths"]}
    assert {path.replace("BTC__SOL", "{pair}").replace("BTC", "{asset}") for path in FIXED} <= paths
    assert {"decisions/{decision_id}", "decisions/{decision_id}/pairs/{pair}", "trades.csv", "stream"} <= paths
    assert {method for item in schema["paths"].values() for method in item} == {"get"}


@pytest.mark.parametrize("path", FIXED)
def test_answers_are_exactly_what_is_declared(scene, client, schema, path):
    status, headers, body = client.ask(f"/api/v1/{path}")
    assert status == 200, body
    assert headers["content-type"] == "application/json"
    for name, value in SECURITY_HEADERS.items():
        assert headers[name.lower()] == value
    template = f"/api/v1/{path.replace('BTC__SOL', '{pair}').replace('assets/BTC', 'assets/{asset}')}"
    reference = schema["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert "$ref" in reference
    validate(schema, reference, json.loads(body))


def validate(schema, reference, answer):
    import jsonschema

    resolved = {**reference, "components": schema["components"]}
    jsonschema.Draft202012Validator(resolved).validate(answer)


def test_a_decision_leads_to_its_pairs_features_and_orders(client, schema):
    for item in client.get("decisions")["items"]:
        whole = client.get(f"decisions/{item['decision_id']}")
        for score in whole["scores"]:
            found = client.get(f"decisions/{item['decision_id']}/pairs/{score['pair']}")
            assert {feature["entity"] for feature in found["features"]} == {
                score["pair"],
                score["asset_a"],
                score["asset_b"],
            }
            assert found["lineage"] == whole["lineage"]
        orders = client.get(f"orders?decision_id={item['decision_id']}")["items"]
        assert sorted(order["client_order_id"] for order in orders) == sorted(whole["lineage"]["order_ids"])


def test_the_csv_is_a_file(client):
    status, headers, body = client.ask("/api/v1/trades.csv?since=2025-01-01T00:00:00Z")
    assert (status, headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert "attachment" in headers["content-disposition"]
    assert len(body.splitlines()) == 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("decisions/none", 404),
        ("decisions/none/pairs/BTC__SOL", 404),
        ("pairs/SOL__BTC/series", 404),
        ("pairs/..%2F..%2Fetc/series", 404),
        ("assets/DOGE/candles", 404),
        ("nothing", 404),
        ("decisions?limit=0", 422),
        ("decisions?limit=501", 422),
        ("decisions?before=x", 422),
        ("events?before=WyJhIl0", 422),
        ("orders?stat=filled", 422),
        ("orders?state=full", 422),
        ("trades?since=tomorrow", 422),
        ("trades?since=0.0", 422),
        ("decisions?limit=1.0", 422),
        ("decisions?limit=%D9%A3", 422),
        ("events?acknowledged=1", 422),
        ("trades?since=0001-01-01T00:00:00%2B14:00", 422),
        ("equity?range=1y", 422),
        ("pairs/BTC__SOL/series?hours=100000", 422),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_form(client, path, status):
    found, headers, body = client.ask(f"/api/v1/{path}")
    assert (found, headers["content-type"]) == (status, "application/json")
    error = ErrorAnswer.model_validate_json(body).error
    assert error.what
    assert error.remedy


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_is_changed(client, method):
    for path in FIXED:
        status, _, body = client.ask(f"/api/v1/{path}", method)
        assert status == 405
        ErrorAnswer.model_validate_json(body)


OPEN = ("decisions/{}", "decisions/{}/pairs/{}", "assets/{}/candles", "pairs/{}/series", "{}")
NAMES = st.sampled_from(
    ["limit", "before", "hours", "range", "by", "pair", "since", "until", "result", "state", "after"]
)
TEXTS = st.text(max_size=40) | st.sampled_from(["1", "500", "-1", "null", "24h", "2025-03-18", "won", "1e400", "\x00"])


@settings(max_examples=examples(300))
@given(
    path=st.sampled_from(
        [*FIXED, "decisions/{}", "decisions/{}/pairs/{}", "assets/{}/candles", "pairs/{}/series", "{}"]
    ),
    words=st.tuples(TEXTS, TEXTS),
    asked=st.dictionaries(NAMES, TEXTS, max_size=3),
)
@example(path="decisions/{}", words=("\ud7ff\U0010ffff", ""), asked={})
@example(path="orders", words=("", ""), asked={"before": "WyIiLCIiXQ"})
@example(path="trades", words=("", ""), asked={"since": "9999-12-31T23:59:59-14:00"})
def test_whatever_is_asked_is_answered(client, path, words, asked):
    filled = path.format(*(quote(word or "x", safe="") for word in words))
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
    status, _, body = client.ask(f"/api/v1/{filled}?{query}")
    assert status in (200, 404, 422), (filled, query, status, body)
    if status != 200:
        ErrorAnswer.model_validate_json(body)
    else:
        json.loads(body)


def test_a_journal_that_cannot_be_read_is_said_and_the_rest_goes_on(scene, caplog):
    from dataclasses import replace

    from pairity.errors import JournalError

    def broken():
        raise JournalError("the journal is damaged", "restore it")

    class Broken:
        settings = scene.settings
        sources = replace(scene.sources, journal=broken)

    with serving(Broken) as asked:
        status, _, body = asked.ask("/api/v1/positions")
        assert (status, ErrorAnswer.model_validate_json(body).error.what) == (503, "the journal is damaged")
        assert asked.ask("/status")[0] == asked.ask("/health")[0] == 200
    assert caplog.records == [], "a page that asks every two seconds must not push everything else out of the log"


def test_a_view_that_fails_is_an_answer_too(scene):
    from dataclasses import replace

    class Failing:
        settings = scene.settings
        sources = replace(scene.sources, sightings=lambda: None)

    with serving(Failing) as asked:
        status, _, body = asked.ask("/api/v1/status")
        assert status == 500
        assert "AttributeError" in ErrorAnswer.model_validate_json(body).error.what
        assert asked.ask("/health")[0] == 200


def test_equal_questions_are_answered_once(scene):
    from dataclasses import replace

    read = []

    class Counted:
        settings = scene.settings
        sources = replace(scene.sources, sightings=lambda: read.append(1) or scene.sightings)

    with serving(Counted) as asked:
        connections = [HTTPConnection(asked.host, timeout=20) for _ in range(50)]
        for connection in connections:
            connection.request("GET", "/api/v1/heatmap")
        bodies = {connection.getresponse().read() for connection in connections}
        for connection in connections:
            connection.close()
    assert len(bodies) == 1
    assert len(read) <= 5


def test_reading_needs_the_token_and_the_page_does_not(scene, tmp_path):
    from pairity.trading_settings import ServeSettings

    class Guarded:
        settings = scene.settings.model_copy(update={"serve": ServeSettings(port=0, status_token="s3cret")})
        sources = scene.sources

    with serving(Guarded) as asked:
        for path in (*FIXED, "openapi.json", "stream", "trades.csv"):
            status, headers, body = asked.ask(f"/api/v1/{path}")
            assert (status, headers["www-authenticate"]) == (401, "Bearer")
            assert "token" in ErrorAnswer.model_validate_json(body).error.what
        assert asked.get("status", Authorization="Bearer s3cret")["now"]
        assert [asked.ask(path)[0] for path in ("/", "/static/x", "//", "/staticx", "/static")] == [
            404,
            404,
            401,
            401,
            401,
        ]


def test_other_origins_are_refused_in_the_form_of_the_api(client):
    for header in ({"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Host": "evil.example"}):
        status, _, body = client.ask("/api/v1/status", **header)
        assert status == 403
        ErrorAnswer.model_validate_json(body)


def test_times_are_utc_and_say_so(client):
    for item in client.get("decisions")["items"]:
        assert TypeAdapter(str).validate_python(item["decision_time"]).endswith(("Z", "+00:00"))
    assert client.get("status")["decision"]["last_at"] == f"{T0.isoformat()[:11]}19:00:00Z"
