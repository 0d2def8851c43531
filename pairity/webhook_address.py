"""Addresses of webhooks as their sites give them: with a query, a slash at the end, escapes, `@` and `:` in the path.

The site is of the strict grammar of `pairity.web_address`. What follows it is sent as it is written, byte for byte, and
is secret throughout: a token may stand in any part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus

from pairity.errors import ConfigError
from pairity.web_address import WebAddress, parse_private_address

_LONGEST = 2048
_SITE = re.compile(r"[a-z]{4,5}://[^/?#\\]*", re.ASCII)
# RFC 3986: the signs of a path and of a query, escapes of two digits included; no fragment, which is never sent.
_SIGN = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_REST = re.compile(rf"(?P<path>(?:/{_SIGN}*)*)(?:\?(?P<query>(?:{_SIGN}|[/?])*))?", re.ASCII)
_LONG_PART = 16
_SECRET_NAME = re.compile(r"tok|key|sig|secret|pass|pw|auth|code|hash|cred", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"[a-z]{1,12}|[0-9][0-9.:-]{0,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """Address of a webhook: its site, and `path` and `query` as they are written; these two are secret."""

    site: WebAddress
    path: str = field(repr=False)
    query: str = field(repr=False)

    @property
    def url(self) -> str:
        """The whole address."""
        return self.extend("")

    def extend(self, more: str) -> str:
        """Return the address with `more` at the end of its path, before its query."""
        path = f"{self.path.rstrip('/')}{more}" if more else self.path
        return f"{self.site.origin}{path or ('/' if self.query else '')}{'?' if self.query else ''}{self.query}"

    def list_secret_parts(self) -> Iterator[str]:
        """Yield what must not be shown: path and query, their longer parts, and what a query says a secret is.

        A value that is a plain word, a date or a number stands in other texts too: it is hidden together with its
        name alone, unless that name sounds secret.
        """
        yield from (self.path, self.path.rstrip("/"), self.query)
        for part in self.path.split("/"):
            if len(part) >= _LONG_PART:
                yield from (part, unquote(part))
        for pair in re.split("[&;]", self.query):
            name, equals, value = pair.partition("=")
            yield from (pair, unquote(pair), unquote_plus(pair))
            secret = value if equals else name
            if not equals or _SECRET_NAME.search(name) or _PLAIN_VALUE.fullmatch(value) is None:
                yield from (secret, unquote(secret), unquote_plus(secret))


def parse_webhook_address(text: str, name: str) -> WebhookAddress:
    """Return the address of the setting `name`; ConfigError, without anything of it, where it is none.

    It is https, or of this machine; without user information, fragment, white space, and steps like `..`.

    >>> parse_webhook_address("https://hooks.example.com/a/?token=abc", "alerts.urls.desk").url
    'https://hooks.example.com/a/?token=abc'
    """
    site = _SITE.match(text)
    rest = _REST.fullmatch(text, site.end()) if site is not None and len(text) <= _LONGEST else None
    if site is None or rest is None or {".", ".."} & {unquote(part) for part in rest["path"].split("/")}:
        raise ConfigError(
            f"{name} is no address of a webhook",
            "write it as its site gives it, as https://host/path or https://host/path?token=…, the host in lower case; "
            "a blank, a # or a sign that is not ASCII belongs in no address",
        )
    return WebhookAddress(site=parse_private_address(site[0], name), path=rest["path"], query=rest["query"] or "")
