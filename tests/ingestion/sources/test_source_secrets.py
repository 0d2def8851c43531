"""A source shows and pickles no key; neither does an error about what a server mirrors."""

from __future__ import annotations

import json
import logging
import pickle
from datetime import UTC, datetime

import pytest

from ingestion.sources.catalog import open_source
from pairity.configuration import load_settings
from pairity.errors import VenueError
from tests.ingestion.sources.web import serving

HUSH = "1b2cTiingo3d4e5f60718293a4b5"


@pytest.mark.parametrize("name", ["tiingo", "cryptoquant"])
def test_a_source_shows_and_pickles_no_key(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"PAIRITY_SOURCES__{name.upper()}_API_KEY", HUSH)
    source = open_source(name, load_settings())
    assert HUSH in str(source.http.headers)
    assert HUSH not in f"{source!r} {source} {source.http!r}"
    with pytest.raises(TypeError, match="hold a key"):
        pickle.dumps(source.http)


def test_what_a_server_mirrors_is_not_repeated(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_SOURCES__TIINGO_API_KEY", HUSH)
    monkeypatch.setenv("PAIRITY_SOURCES__SPACING_S", "0")
    for logger in ("", "urllib3", "urllib3.connectionpool", "requests"):
        caplog.set_level(logging.DEBUG, logger=logger)
    with serving() as web:
        web.files = {"/tiingo/crypto": lambda _: json.dumps(web.headers[-1]["Authorization"]).encode()}
        web.files["/tiingo/crypto/prices"] = lambda _: web.headers[-1]["Authorization"].encode()
        monkeypatch.setenv("PAIRITY_SOURCES__TIINGO_URL", web.url)
        source = open_source("tiingo", load_settings())
        day = datetime(2025, 3, 18, tzinfo=UTC)
        for ask in (source.list_assets, lambda: source.read("candles_1h", "BTC", day, day.replace(day=19))):
            with pytest.raises(VenueError) as caught:
                ask()
            error = caught.value
            while error is not None:
                assert HUSH not in f"{error} {error!r} {vars(error)}"
                error = error.__cause__ or error.__context__
        assert any(HUSH in header.get("Authorization", "") for header in web.headers)
    assert HUSH not in caplog.text
