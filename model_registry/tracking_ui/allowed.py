"""Which requests reach MLflow: those on a list, from our own pages, for this very server. Everything else is refused.

The list is of what the pages of the MLflow UI read. What MLflow adds in another version is refused until it is listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_API, _API_3 = "/ajax-api/2.0/mlflow", "/ajax-api/3.0/mlflow"
_READ = frozenset({"GET", "HEAD"})
_READ_PATHS = frozenset(
    {
        "/",
        "/health",
        "/version",
        f"{_API}/artifacts/list",
        f"{_API}/experiments/get",
        f"{_API}/experiments/get-by-name",
        f"{_API}/experiments/search",
        f"{_API}/metrics/get-history",
        f"{_API}/metrics/get-history-bulk",
        f"{_API}/metrics/get-history-bulk-interval",
        f"{_API}/model-versions/get",
        f"{_API}/model-versions/search",
        f"{_API}/registered-models/alias",
        f"{_API}/registered-models/get",
        f"{_API}/registered-models/search",
        f"{_API}/runs/get",
        f"{_API_3}/server-info",
        f"{_API_3}/ui-telemetry",
        "/get-artifact",
        "/model-versions/get-artifact",
        f"{_API}/gateway-proxy",
    }
)
_READ_PATTERNS = (
    re.compile(rf"{_API}/logged-models/[A-Za-z0-9_-]+(/artifacts/(directories|files))?"),
    re.compile(r"/static-files/[A-Za-z0-9_][A-Za-z0-9_.~@-]*(/[A-Za-z0-9_][A-Za-z0-9_.~@-]*)*"),
)
_SEARCHES = frozenset(
    {
        f"{_API}/experiments/search",
        f"{_API}/experiments/search-datasets",
        f"{_API}/logged-models/search",
        f"{_API}/runs/search",
        f"{_API_3}/traces/search",
    }
)
"""What is asked with POST although it only reads: the question is long."""
ENDPOINTS_OF_A_GATEWAY = f"{_API}/gateway-proxy"
"""Asked by the list of runs. MLflow would ask a gateway for language models; there is none, and we say so."""
GRAPHQL = "/graphql"
"""Read with POST too; what is asked decides: `graphql_reads`."""
_NAVIGATION = frozenset({"navigate"})

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused, and what to do instead."""

    reason: str
    status: int = 403


def refuse(method: str, path: str, headers: Headers, port: int) -> Refusal | None:
    """Return why a request is refused; None for one that may pass (GraphQL if what it asks only reads).

    `path` is decoded, without the query; `port` is the one that the server listens on, on 127.0.0.1.
    """
    return _refuse_sender(headers, port, is_page=path == "/" and method in _READ) or _refuse_request(method, path)


def _refuse_sender(headers: Headers, port: int, *, is_page: bool) -> Refusal | None:
    hosts = _values(headers, b"host")
    names = [f"127.0.0.1:{port}", f"localhost:{port}"]
    if len(hosts) != 1 or hosts[0].lower() not in names:
        # A page elsewhere may have a name of its own resolve to 127.0.0.1: then it says that name here
        return Refusal(f"the host is not this one: open http://{names[0]}")
    origins = _values(headers, b"origin")
    if any(origin.lower() not in {f"http://{name}" for name in names} for origin in origins):
        return Refusal("another origin asks: only this page's own requests are answered")
    sites, modes = _values(headers, b"sec-fetch-site"), _values(headers, b"sec-fetch-mode")
    followed = is_page and modes and all(mode in _NAVIGATION for mode in modes)
    if any(site not in {"same-origin", "none"} for site in sites) and not followed:
        return Refusal("another site asks: only this page's own requests are answered")
    return None


def _refuse_request(method: str, path: str) -> Refusal | None:
    known = path in _READ_PATHS or any(pattern.fullmatch(path) for pattern in _READ_PATTERNS)
    if method in _READ and known and ".." not in path:
        return None
    if method == "POST" and (path in _SEARCHES or path == GRAPHQL):
        return None
    return Refusal(
        f"{method} {_shorten(path)} is not among what this page may ask: it is for looking only. "
        "Change things with pairity train, promote, rollback and models"
    )


def _values(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for found, value in headers if found.lower() == name]


def _shorten(path: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in path[:120])
