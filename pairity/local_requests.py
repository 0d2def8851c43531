"""Who may ask a server of this machine: the owner and the owner's programs, not every page in the owner's browser.

A page from anywhere can make a browser send requests to 127.0.0.1. Three things give it away, and each is refused:

* a `Host` that is not an address of this machine: the page's own name was pointed at 127.0.0.1 (DNS rebinding);
* an `Origin` that is not the server itself, `null` included;
* a `Sec-Fetch-Site` that says that another site asks.

What a browser may send across sites without asking first has a content type of forms or plain text. Endpoints that
change something therefore ask for JSON besides.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of every answer: nothing in it runs, is framed, is guessed to be something else, is kept or is passed on."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HTTP_PORT = 80


def allowed_hosts(address: str, port: int) -> frozenset[str]:
    """Return the values of `Host` that mean a server which listens on `address` (as its socket says) and `port`.

    >>> sorted(allowed_hosts("127.0.0.1", 8700))
    ['127.0.0.1:8700', '[::1]:8700', 'localhost:8700']
    """
    names = {*_LOOPBACK, f"[{address}]" if ":" in address else address}
    hosts = {f"{name}:{port}" for name in names}
    return frozenset(hosts | names if port == _HTTP_PORT else hosts)


def refuse_request(headers: Iterable[tuple[str, str]], address: str, port: int) -> str | None:
    """Return why a request must not be answered, None where it may be.

    `headers` are all of the request's, repeated ones included; `address` and `port` are those of the server's socket.
    """
    by_name: dict[str, list[str]] = {"host": [], "origin": [], "sec-fetch-site": []}
    for name, value in headers:
        if (known := by_name.get(name.lower())) is not None:
            known.append(value.strip().lower())
    hosts = allowed_hosts(address, port)
    if len(by_name["host"]) != 1 or by_name["host"][0] not in hosts:
        return f"the Host of the request is not this server's: use http://127.0.0.1:{port}"
    if any(origin not in {f"http://{host}" for host in hosts} for origin in by_name["origin"]):
        return "the request comes from a page of another origin"
    if any(site not in ("same-origin", "none") for site in by_name["sec-fetch-site"]):
        return "the request comes from another site"
    return None


def is_json(content_type: str) -> bool:
    """Return whether a content type is JSON, which no page can send across sites unasked.

    >>> is_json("application/json; charset=utf-8"), is_json("text/plain"), is_json("")
    (True, False, False)
    """
    return content_type.partition(";")[0].strip().lower() == "application/json"


def is_loopback(address: object) -> bool:
    """Return whether a peer's address is one of this machine's loopback addresses."""
    try:
        return ip_address(str(address)).is_loopback
    except ValueError:
        return False
