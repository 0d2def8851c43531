"""Where requests to the venue may go: its own hosts, this machine, and for market data any host over https.

A signed request shows key and passphrase to whoever receives it, and its signature covers neither the host nor the demo
header. It goes to OKX itself or stays on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pairity.errors import ConfigError
from pairity.settings import ExchangeSettings
from pairity.web_address import WebAddress, parse_address, parse_loopback_address, parse_private_address

OKX_HOSTS = frozenset(
    {
        "www.okx.com",
        "openapi.okx.com",
        "aws.okx.com",
        "my.okx.com",
        "eea.okx.com",
        "app.okx.com",
        "us.okx.com",
        "tr.okx.com",
    }
)
"""Hosts of OKX's API: global, Europe (my, eea), the US and Australia (app, us), Türkiye."""
STREAM_HOSTS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("www.okx.com", "openapi.okx.com", "aws.okx.com"), ("ws.okx.com", "wspap.okx.com")),
    **dict.fromkeys(("my.okx.com", "eea.okx.com"), ("wseea.okx.com", "wseeapap.okx.com")),
    **dict.fromkeys(("app.okx.com", "us.okx.com"), ("wsus.okx.com", "wsuspap.okx.com")),
}
"""Hosts of OKX's WebSocket, of real and of demo trading, by the host of its API (none is known for Türkiye)."""
_STREAM_PATH = "/ws/v5"
OKX_ITSELF = parse_address("https://www.okx.com", "exchange.url")


def is_okx(address: WebAddress) -> bool:
    """Return whether an address is OKX's own: https, one of its hosts exactly, no port or path of somebody else's."""
    return address == WebAddress(scheme="https", host=address.host, port=443, path="") and address.host in OKX_HOSTS


def exchange_address(exchange: ExchangeSettings) -> WebAddress:
    """Return the address of market data: OKX itself where `exchange.url` is not set.

    ConfigError where it is no plain address, or plain http beyond this machine.
    """
    return OKX_ITSELF if exchange.url is None else parse_private_address(exchange.url, "exchange.url")


def signed_address(exchange: ExchangeSettings, *, live: bool) -> WebAddress:
    """Return the address for signed requests: one of OKX's own hosts, or, unless `live`, one of this machine.

    ConfigError otherwise, and where `exchange.control_url` would give a time that is not OKX's.
    """
    address, control = exchange_address(exchange), control_address(exchange)
    if live and not is_okx(address):
        raise ConfigError(
            f"real money was requested, and exchange.url leads to {address.host}, which is not OKX",
            f"leave exchange.url out, or use https and one of {_listed()}; a paper exchange takes no real money",
        )
    if not is_okx(address) and not address.is_loopback:
        raise ConfigError(
            f"exchange.url leads to {address.host}, neither OKX nor this machine: it would be shown key and passphrase",
            f"use https and one of {_listed()}, or a paper exchange at http://127.0.0.1:8750",
        )
    if control is not None and is_okx(address):
        raise ConfigError(
            "exchange.control_url steps the clock of a paper exchange, and the exchange is OKX",
            "leave exchange.control_url out: OKX is traded by this machine's clock",
        )
    return address


def stream_address(exchange: ExchangeSettings, *, live: bool) -> WebAddress | None:
    """Return the address of the private WebSocket that belongs to `signed_address`; None where OKX has none known.

    Of this machine it is the same host and port. Its scheme is http or https, for ws and wss. ConfigError as there.
    """
    address = signed_address(exchange, live=live)
    if not is_okx(address):
        return replace(address, path=_STREAM_PATH)
    hosts = STREAM_HOSTS.get(address.host)
    return None if hosts is None else replace(address, host=hosts[0 if live else 1], path=_STREAM_PATH)


def control_address(exchange: ExchangeSettings) -> WebAddress | None:
    """Return the address of a paper exchange's control endpoint, or None; ConfigError beyond this machine."""
    if exchange.control_url is None:
        return None
    return parse_loopback_address(exchange.control_url, "exchange.control_url")


def _listed() -> str:
    return ", ".join(sorted(OKX_HOSTS))
