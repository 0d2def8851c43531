"""Tokens of sources go to the source, over https or not beyond this machine, and past every proxy."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import ccxt
import pytest
from pydantic import ValidationError

from ingestion.sources.catalog import open_source
from ingestion.sources.ccxt_any import CcxtAny
from ingestion.sources.ccxt_session import bound
from ingestion.sources.http import Http
from pairity.errors import ConfigError, VenueAnswerError
from pairity.settings import Settings, SourceSettings

PROXIES = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
CLEAR = [
    "http://api.tiingo.com",
    "http://127.0.0.1.evil.com",
    "http://127.0.0.1@evil.com",
    "https://token@api.tiingo.com",
    "https://api.tiingo.com?x=1",
    "http://0x7f.1",
    "ftp://127.0.0.1",
    "HTTPS://api.tiingo.com",
    "",
]


@contextmanager
def listener(location: str | None = None, status: int = 307):
    """A server that notes what comes; with `location` it sends everybody there."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # else a body waits 40 ms for the acknowledgement of its headers

        def handle_any(self):
            heard.append(f"{self.command} {self.path} {dict(self.headers)}")
            self.send_response(status if location else 200)
            if location:
                self.send_header("Location", location + self.path)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        do_GET = do_POST = do_CONNECT = handle_any

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def http(**options: object) -> Http:
    return Http(retries=0, timeout_s=2.0, headers={"Authorization": "Token the-token"}, sleep=lambda _: None, **options)


def test_a_token_crosses_no_redirect() -> None:
    with listener() as (elsewhere, heard):
        for status in (301, 302, 303, 307, 308):
            with listener(elsewhere, status) as (url, _), pytest.raises(VenueAnswerError, match="redirect") as caught:
                http().json(f"{url}/x")
            assert "the-token" not in str(caught.value)
        assert heard == []


def test_a_token_meets_no_proxy_and_no_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with listener() as (elsewhere, heard), listener() as (url, came):
        for name in PROXIES:
            monkeypatch.setenv(name, elsewhere)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        assert http().json(f"{url}/x") == []
        assert heard == []
        assert "Token the-token" in came[0]


@pytest.mark.parametrize("url", CLEAR, ids=ascii)
def test_a_token_is_not_sent_in_clear(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with listener() as (elsewhere, heard):
        monkeypatch.setenv("http_proxy", elsewhere)
        with pytest.raises(ConfigError, match="source"):
            http().get(f"{url}/x" if url else "x")
        assert heard == []


@pytest.mark.parametrize("url", CLEAR, ids=ascii)
@pytest.mark.parametrize("name", ["tiingo", "cryptoquant", "binance-archive", "binance-archive-spot"])
def test_the_address_of_a_source_is_checked_before_it_is_asked(name: str, url: str) -> None:
    addresses = {"tiingo_url": url, "cryptoquant_url": url, "binance_archive_url": url}
    # The settings refuse most of them already.
    with pytest.raises((ConfigError, ValidationError), match=r"\w+_url"):
        open_source(name, Settings(sources=SourceSettings(tiingo_api_key="t", cryptoquant_api_key="c", **addresses)))


@pytest.mark.parametrize("how", ["urls", "hostname", "proxy"])
def test_a_ccxt_client_asks_its_own_hosts_only(how: str) -> None:
    with listener() as (elsewhere, heard):
        client = ccxt.okx({"timeout": 1000, "enableRateLimit": False})
        bound(client, 5.0)
        if how == "urls":
            client.urls["api"]["rest"] = elsewhere
        elif how == "hostname":
            client.hostname = "www.okx.com.evil.invalid"
        else:
            client.httpProxy = elsewhere
        with pytest.raises(ConfigError, match="would have gone to"):
            client.fetch_time()
        assert heard == []


def test_a_ccxt_client_follows_no_redirect_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with listener() as (elsewhere, heard), listener(elsewhere) as (url, came):
        for name in PROXIES:
            monkeypatch.setenv(name, elsewhere)
        source = CcxtAny("okx", 0, 2.0, url, sleep=lambda _: None)
        with pytest.raises(VenueAnswerError, match="redirect"):
            source.list_assets()
        assert came
        assert heard == []
