"""Files of the page as they are served and as they are written: nothing of another host, nothing inline, all pinned."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re

import httpx
import pytest
from fastapi import FastAPI

from serving.dashboard.page_files import STATIC, matches, read_page_files
from serving.dashboard.routes import CONTENT_SECURITY_POLICY, make_page_router
from serving.web.local_only import LocalOnly

MOST_LINES = 400
OWN = sorted(
    path for path in STATIC.rglob("*") if path.suffix in (".html", ".css", ".js", ".svg") and "vendor" not in path.parts
)
VENDORED = STATIC / "vendor" / "echarts"


class Asked:
    """Asks the page's routes as a browser on this machine would, through the layer around the application."""

    def __init__(self, token: str | None = None) -> None:
        app = FastAPI(openapi_url=None)
        app.include_router(make_page_router())
        self.transport = httpx.ASGITransport(LocalOnly(app, [token] if token else []))

    def __call__(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://127.0.0.1:8700") as client:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.request(method, path, headers=named)

        return asyncio.run(ask())


def test_the_page_and_its_files_are_served_under_one_policy():
    ask = Asked()
    for path in ("/", "/why/pairitye1", "/static/js/main.js", "/static/css/base.css", "/static/nothing.js"):
        headers = ask(path).headers
        assert headers.get_list("content-security-policy") == [CONTENT_SECURITY_POLICY]
        assert headers.get_list("cache-control") == ["no-cache"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert ask("/").headers["content-type"] == "text/html; charset=utf-8"
    assert ask("/static/js/main.js").headers["content-type"] == "text/javascript; charset=utf-8"


def test_what_the_browser_keeps_is_answered_without_a_body():
    ask = Asked()
    tag = ask("/static/css/base.css").headers["etag"]
    again = ask("/static/css/base.css", If_None_Match=f'W/"other", {tag}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert ask("/static/css/base.css", If_None_Match='"other"').status_code == 200
    assert ask("/", "HEAD").content == b""


@pytest.mark.parametrize(
    "path",
    ["..%2f..%2froutes.py", "%2e%2e/routes.py", "js", "js/", "/etc/passwd", "..%5croutes.py", "js/main.js%00", "x/"],
)
def test_no_path_leads_out_of_the_list(path):
    assert Asked()(f"/static/{path}").status_code == 404


@pytest.mark.parametrize("order", ["..%2fx", "a b", "<script>", "x" * 65, "-x", "a/b"])
def test_the_page_of_what_is_no_order_is_not_there(order):
    refused = Asked()(f"/why/{order}")
    assert refused.status_code == 404
    assert "script" not in refused.text


def test_nothing_but_reading_is_answered():
    ask = Asked()
    assert [ask("/", method).status_code for method in ("POST", "PUT", "DELETE")] == [405, 405, 405]


def test_the_page_is_open_and_everything_else_needs_the_token():
    ask = Asked("reading")
    assert ask("/").status_code == 200
    assert ask("/static/js/main.js").status_code == 200
    assert ask("/why/pairitye1").status_code == 200
    assert [ask(path).status_code for path in ("/status", "/static", "/staticx", "/x/static/js/main.js")] == [401] * 4
    assert ask("/", Host="elsewhere.example").status_code == 403


def test_a_folder_without_the_page_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="not complete"):
        read_page_files(tmp_path)


def test_a_star_matches_any_tag():
    assert matches("*", '"a"')
    assert not matches("", '"a"')


def test_what_is_shipped_of_others_is_what_was_recorded():
    record = json.loads((VENDORED / "VENDORED.json").read_text())
    found = {
        path.relative_to(VENDORED).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDORED.rglob("*")
        if path.is_file() and path.name != "VENDORED.json"
    }
    assert found == record["files"]
    assert {"LICENSE", "NOTICE", "licenses/LICENSE-d3", "licenses/LICENSE-zrender"} <= set(found)
    assert f'version="{record["version"]}"' in (VENDORED / "echarts.min.js").read_text()


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_a_file_of_the_page_is_short_names_no_host_and_parses_no_markup(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    hosts = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", text)) - {"http://www.w3.org/2000/svg"}
    assert not hosts
    if path.suffix == ".js":
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(.style", text
        )
        for module in re.findall(r'from "([^"]+)"', text):
            assert (path.parent / module).is_file(), module


@pytest.mark.parametrize("name", ["index.html", "why.html"])
def test_the_document_has_nothing_inline(name):
    text = (STATIC / name).read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)", text)
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
        assert address.removeprefix("/static/") in read_page_files()
