"""Addresses of webhooks as sites give them: sent as they are written, and secret in every part."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.configuration import load_settings
from pairity.errors import ConfigError
from pairity.redaction import redact
from pairity.webhook_address import parse_webhook_address

OF_SITES = [
    "https://discord.com/api/webhooks/123/Ab-cD_ef?wait=true&thread_id=1234567890123",
    "https://example.webhook.office.com/webhookb2/0a1b@2c3d/IncomingWebhook/4e5f/6a7b",
    "https://prod-00.logic.azure.com/workflows/0a1b/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=Q-w_E~rty0",
    "https://api.telegram.org/bot123456:ABC-DEF1234/sendMessage?chat_id=-42",
    "https://kuma.example.com/api/push/Abc?status=up&msg=OK&ping=",
    "https://hooks.example.com/hook/",
    "http://127.0.0.1:8080/hook?token=a+b",
]
"""Of the kinds that Discord, Teams (both), Telegram and Uptime Kuma give."""


@pytest.mark.parametrize("url", OF_SITES)
def test_an_address_of_a_site_is_sent_as_it_is_written(url: str) -> None:
    address = parse_webhook_address(url, "x")
    assert address.url == url
    assert address.path not in repr(address)
    assert not address.query or address.query not in repr(address)


def test_a_query_without_a_path_and_a_path_that_goes_on() -> None:
    address = parse_webhook_address("https://bot.example.com?token=abc", "x")
    assert address.url == "https://bot.example.com/?token=abc"
    assert address.extend("/bot1/sendMessage") == "https://bot.example.com/bot1/sendMessage?token=abc"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https://?token=SECRET0",
        "ftp://example.com/?token=SECRET0",
        "http://example.com/?token=SECRET0",
        "https://user:SECRET0@example.com/?a=b",
        "https://example.com/?token=SECRET0#more",
        "https://example.com/?token=SECRET0%2",
        "https://example.com/?token=SECRET0%zz",
        "https://example.com/?token=SECRET0\r\nHost: evil.example",
        "https://example.com/?token=SECRÉT0",
        "https://example.com/a/../SECRET0",
        "https://example.com/a/%2e./SECRET0",
        "https://example.com\\@evil.example/SECRET0",
        "https://127.1/?token=SECRET0",
        "https://example.com:0/?token=SECRET0",
        f"https://example.com/?token=SECRET0{'x' * 2048}",
        " https://example.com/?token=SECRET0",
    ],
)
def test_what_is_no_address_is_refused_without_anything_of_it(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_webhook_address(url, "alerts.urls.desk")
    assert "alerts.urls.desk" in str(refused.value)
    assert "SECR" not in str(refused.value)


SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=13, max_size=40)


@given(name=st.sampled_from(["token", "sig", "k", "chat"]), value=SECRETS, other=SECRETS)
def test_no_form_of_a_secret_in_a_query_stays_in_a_text(name: str, value: str, other: str) -> None:
    url = f"https://hooks.example.com/x?{name}={quote(value, safe='')}&v=1.0&other={quote(other, safe='')}"
    parts = set(parse_webhook_address(url, "x").list_secret_parts())
    assert {value, quote(value, safe=""), other} <= parts


def test_words_dates_and_numbers_of_a_query_stay_readable() -> None:
    url = "https://hooks.example.com/x?state=trading&since=2026-11-26&n=1234567&token=short1"
    parts = set(parse_webhook_address(url, "x").list_secret_parts())
    assert not parts & {"trading", "2026-11-26", "1234567"}
    assert {"state=trading", "token=short1", "short1"} <= parts


def test_the_query_of_the_settings_is_redacted_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairity.toml").write_text('[[alerts.destinations]]\nname = "desk"\n')
    urls = {"desk": "https://hooks.example.com/x?token=s3cr3t%2Dvalue-of-desk&v=1"}
    monkeypatch.setenv("PAIRITY_ALERTS__URLS", json.dumps(urls))
    monkeypatch.setenv("PAIRITY_ALERTS__DEAD_MAN_URL", "https://ping.example.com/y?key=p1ng-k3y")
    loaded = load_settings()
    for text in (urls["desk"], "token=s3cr3t%2Dvalue-of-desk", "s3cr3t-value-of-desk", "p1ng-k3y"):
        said = redact(f"cannot reach {text} now")
        assert "s3cr3t" not in said
        assert "p1ng" not in said
    assert "s3cr3t" not in repr(loaded.alerts) + loaded.model_dump_json()
