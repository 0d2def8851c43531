"""Where signed requests may go: OKX's own hosts, or this machine; real money to OKX alone."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from yarl import URL

from pairity.errors import ConfigError
from pairity.settings import ExchangeSettings, Settings
from serving.risk import choose_mode
from venue.clock import SystemClock, clock_for
from venue.okx_client import LIVE_CONSENT, LIVE_VARIABLE, make_client
from venue.okx_hosts import OKX_HOSTS, exchange_address, is_okx, signed_address

KEYS = {"api_key": "k", "api_secret": "s", "api_passphrase": "p"}
PAPER = ["http://127.0.0.1:8750", "http://127.3.2.1", "http://localhost:1", "http://[::1]:1", "https://127.0.0.1:1"]
NOT_OKX = [
    "https://okx.com",
    "https://evil.com",
    "https://www.okx.com.evil.com",
    "https://wwwokx.com",
    "https://www-okx.com",
    "https://www.okx.co",
    "https://evilwww.okx.com",
    "https://evil.okx.com",
    "https://www.okx.com:8443",
    "https://www.okx.com:80",
    "https://www.okx.com/proxy",
    "https://xn--www-okx-com.evil.com",
    "https://1.2.3.4",
]


def exchange(url: str | None, control_url: str | None = None) -> ExchangeSettings:
    return ExchangeSettings(url=url, control_url=control_url, **KEYS)


def test_the_hosts_of_ccxt_are_known() -> None:
    hosts = {kind().hostname for kind in (ccxt.okx, ccxt.myokx, ccxt.okxus)}
    assert hosts <= OKX_HOSTS


@pytest.mark.parametrize("url", [None, *(f"https://{host}" for host in sorted(OKX_HOSTS)), "https://eea.okx.com:443/"])
def test_okx_itself_takes_real_money(url: str | None) -> None:
    assert is_okx(signed_address(exchange(url), live=True))
    assert asyncio.run(clock_for(exchange(url))).__class__ is SystemClock


@pytest.mark.parametrize("url", PAPER)
def test_a_paper_exchange_takes_keys_and_no_real_money(url: str) -> None:
    assert signed_address(exchange(url), live=False).is_loopback
    with pytest.raises(ConfigError, match="is not OKX"):
        signed_address(exchange(url), live=True)


@pytest.mark.parametrize("url", NOT_OKX)
@pytest.mark.parametrize("live", [False, True])
def test_another_host_sees_no_key(url: str, live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIVE_VARIABLE, LIVE_CONSENT)
    settings = Settings(exchange=exchange(url))
    for refused in (
        lambda: signed_address(settings.exchange, live=live),
        lambda: make_client(settings, signed=True, live=live),
        lambda: choose_mode(settings, live=live),
    ):
        with pytest.raises(ConfigError, match=r"www\.okx\.com"):
            refused()
    # Market data needs no key: any host will do that nobody listens to on the way.
    assert exchange_address(settings.exchange).scheme == "https"


@pytest.mark.parametrize("url", [f"http://{host}" for host in sorted(OKX_HOSTS)])
@pytest.mark.parametrize("live", [False, True])
def test_okx_in_clear_text_is_refused(url: str, live: bool) -> None:
    with pytest.raises(ConfigError, match="clear text"):
        signed_address(exchange(url), live=live)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("url", [None, "https://eea.okx.com"])
def test_okx_is_never_traded_by_another_clock(url: str | None, live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIVE_VARIABLE, LIVE_CONSENT)
    settings = Settings(exchange=exchange(url, "http://127.0.0.1:8750/control"))
    for refused in (
        lambda: make_client(settings, signed=True, live=live),
        lambda: choose_mode(settings, live=live),
    ):
        with pytest.raises(ConfigError, match="control_url"):
            refused()


@pytest.mark.parametrize(
    "control",
    ["http://evil.com/control", "https://evil.com", "http://127.0.0.1.evil.com", "http://0x7f.1", "http://a@b"],
)
def test_a_clock_is_asked_on_this_machine_only(control: str) -> None:
    with pytest.raises((ConfigError, ValidationError), match="control_url"):
        asyncio.run(clock_for(exchange("http://127.0.0.1:8750", control)))


MUTATIONS = st.sampled_from(
    [
        "",
        ".",
        "@",
        ":",
        "/",
        "\\",
        "?",
        "#",
        "%2e",
        "evil.com",
        "@evil.com",
        ".evil.com",
        ":80",
        ":443",
        "。",
        "\t",
        "-",
    ]
)


@given(st.sampled_from(sorted(OKX_HOSTS)), st.sampled_from(["http", "https", "HTTPS"]), st.data())
def test_nothing_close_to_okx_is_okx(host: str, scheme: str, data: st.DataObject) -> None:
    text = f"{scheme}://{host}"
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(MUTATIONS) + text[at:]
    try:
        address = signed_address(exchange(text), live=True)
    except (ConfigError, ValidationError):
        return
    assert urlsplit(text).hostname == URL(text).host == URL(address.url).host
    assert URL(address.url).host in OKX_HOSTS
    assert (URL(address.url).scheme, URL(address.url).port, URL(address.url).path) == ("https", 443, "/")
