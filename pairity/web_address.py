"""Addresses of settings to which requests go: one strict grammar, so that no two programs read one differently.

An address that urllib takes for one host and another parser for a second (`http://127.0.0.1@evil.com`, `127.1`,
`0x7f000001`, a backslash, a full stop of another script) is no address here. What remains reads the same everywhere.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from pairity.errors import ConfigError

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]+)*)/?",
    re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_LOOKS_LIKE_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST, _LONGEST_HOST, _HIGHEST_PORT = 300, 253, 65535


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An address in parts: `host` in lower case (an IPv6 address in brackets), `path` without a slash at its end."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme and host, and the port where it is not the scheme's own."""
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.origin}{self.path}"

    @property
    def is_loopback(self) -> bool:
        """Whether nothing that is sent there leaves this machine: 127.0.0.0/8, ::1 or localhost."""
        if self.host in ("localhost", "[::1]"):
            return True
        try:
            return ipaddress.IPv4Address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str, name: str) -> WebAddress:
    """Return the address of the setting `name`; ConfigError where it is anything but a plain one.

    Plain is `https://host`, `https://host:port` or either with a path: no user information, query or fragment, ASCII in
    lower case, a host name or a canonical IP address.

    >>> parse_address("http://127.0.0.1:8750/control/", "exchange.control_url").url
    'http://127.0.0.1:8750/control'
    """
    found = _ADDRESS.fullmatch(text) if len(text) <= _LONGEST else None
    host = found["host"] if found else ""
    if found is None or not _is_host(host) or {".", ".."} & set(found["path"].split("/")):
        raise _unusable(name)
    port = int(found["port"] or _DEFAULT_PORTS[found["scheme"]])
    if port > _HIGHEST_PORT:
        raise _unusable(name)
    return WebAddress(scheme=found["scheme"], host=host, port=port, path=found["path"])


def parse_private_address(text: str, name: str) -> WebAddress:
    """Return an address that may be sent a secret: over https, or not beyond this machine. ConfigError otherwise."""
    address = parse_address(text, name)
    if address.scheme != "https" and not address.is_loopback:
        raise ConfigError(
            f"{name} would send requests in clear text over a network, to {address.host}",
            "use https, or an address of this machine (127.0.0.1)",
        )
    return address


def parse_loopback_address(text: str, name: str) -> WebAddress:
    """Return an address of this machine; ConfigError for any other."""
    address = parse_address(text, name)
    if not address.is_loopback:
        raise ConfigError(
            f"{name} leads to {address.host}, which is not this machine",
            "use 127.0.0.1 (any of 127.0.0.0/8), [::1] or localhost",
        )
    return address


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            address = ipaddress.IPv6Address(host[1:-1])
            # Pythons write an IPv4 address in an IPv6 one in two ways.
            return address.ipv4_mapped is None and str(address) == host[1:-1]
        except ValueError:
            return False
    labels = host.split(".")
    if len(host) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    if not _LOOKS_LIKE_NUMBER.fullmatch(labels[-1]):
        return True
    # A name that ends in a number is an IPv4 address to some programs, also in the forms 127.1 and 0x7f.1.
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _unusable(name: str) -> ConfigError:
    # What stands there instead of an address may be a key: it is not shown.
    return ConfigError(
        f"{name} is not a plain web address",
        "write it in lower case as https://host, or for this machine as http://127.0.0.1:8750; nothing else in it",
    )
