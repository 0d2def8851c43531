"""MLflow's page with our script in front of its own; nothing else of what MLflow answers is changed."""

import asyncio
import json
import re

import httpx
import pytest

from model_registry.tracking_ui.first_visit import SCRIPT, SCRIPT_PATH, add_script
from model_registry.tracking_ui.read_only import ReadOnly
from pairity.layout import Layout

PAGE = b'<!doctype html><html><head><script defer="defer" src="static-files/main.js"></script></head></html>'


def ask(tmp_path, method, path, page=PAGE, status=200, pieces=1, headers=()):
    """What a browser gets, and what MLflow was asked."""
    asked = []

    async def server(scope, _receive, send):
        asked.append(dict(scope["headers"]))
        length = (b"content-length", str(len(page)).encode())
        found = [(b"content-type", b"text/html"), length, (b"etag", b'"1"'), (b"last-modified", b"today")]
        await send({"type": "http.response.start", "status": status, "headers": found})
        size = -(-len(page) // pieces) or 1
        parts = [page[start : start + size] for start in range(0, len(page), size)] or [b""]
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    async def once():
        transport = httpx.ASGITransport(ReadOnly(server, Layout(tmp_path), 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5000") as client:
            return await client.request(method, path, headers=dict(headers))

    return asyncio.run(once()), asked


@pytest.mark.parametrize("pieces", [1, 7])
def test_the_script_is_in_front_of_all_others_and_the_answer_is_whole(tmp_path, pieces):
    answer, asked = ask(tmp_path, "GET", "/", pieces=pieces, headers={"if-none-match": '"1"', "range": "bytes=0-9"})
    assert re.findall('src="([^"]*)"', answer.text) == [f".{SCRIPT_PATH}", "static-files/main.js"]
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert {b"if-none-match", b"range", b"accept-encoding"}.isdisjoint(asked[0])


def test_the_script_is_served_by_us_and_is_no_more_than_it_says(tmp_path):
    answer, asked = ask(tmp_path, "GET", SCRIPT_PATH)
    assert (answer.text, answer.headers["content-type"]) == (SCRIPT, "text/javascript; charset=utf-8")
    assert asked == []
    assert "fetch" not in SCRIPT
    first = json.loads(SCRIPT[SCRIPT.index("{") : SCRIPT.index("}") + 1].replace(",\n}", "\n}"))
    assert first == {
        "mlflow.workflowType_v1": "machine_learning",
        "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
    }


@pytest.mark.parametrize("path", ["/health", "/static-files/main.js", "/ajax-api/2.0/mlflow/runs/get"])
def test_other_answers_pass_as_they_are(tmp_path, path):
    answer, _ = ask(tmp_path, "GET", path)
    assert answer.content == PAGE
    assert answer.headers["etag"] == '"1"'


@pytest.mark.parametrize("page", [b"", b"Unable to display MLflow UI", b"<HEAD>"])
def test_a_page_without_a_head_stays_as_it_is(tmp_path, page):
    assert add_script(page) == page
    assert ask(tmp_path, "GET", "/", page, status=500)[0].content == page


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_script_cannot_be_written(tmp_path, method):
    answer, asked = ask(tmp_path, method, SCRIPT_PATH)
    assert (answer.status_code, asked) == (403, [])
