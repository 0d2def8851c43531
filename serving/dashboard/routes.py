"""Routes of the pages: `/`, `/why/ORDER` and `/static/…`.

They hold no data, so they need no token; a page asks the API itself.
"""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, Request, Response

from pairity.names import ORDER_ID
from serving.dashboard.page_files import INDEX, WHY, PageFile, matches, read_page_files

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # the tab's icon is drawn by the page
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""What the page may do: its own scripts, styles and requests, nothing inline, nothing of another host."""
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # The browser keeps the files and asks each time whether they are still right: an update shows at once.
    "Cache-Control": "no-cache",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def make_page_router() -> APIRouter:
    """Return the routes of the page.

    The files are read with the first request, not with the process: a damaged installation costs the page (500),
    never the trading. Every answer carries PAGE_HEADERS; `If-None-Match` is answered with 304 where it fits.
    """
    router = APIRouter(include_in_schema=False)
    files = cache(read_page_files)

    @router.api_route("/", methods=["GET", "HEAD"])
    def page(request: Request) -> Response:
        return _answer(request, files().get(INDEX))

    @router.api_route("/why/{order}", methods=["GET", "HEAD"])
    def why(request: Request, order: str) -> Response:
        # Whether there is such an order is data: the page asks the API, which may need a token
        return _answer(request, files().get(WHY) if ORDER_ID.accepts(order) else None, "order")

    @router.api_route("/static/{path:path}", methods=["GET", "HEAD"])
    def static(request: Request, path: str) -> Response:
        return _answer(request, files().get(path))

    return router


def _answer(request: Request, file: PageFile | None, kind: str = "file") -> Response:
    if file is None:
        return Response(f"there is no such {kind}\n", status_code=404, media_type="text/plain", headers=PAGE_HEADERS)
    headers = {**PAGE_HEADERS, "ETag": file.etag}
    if matches(request.headers.get("if-none-match", ""), file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.content_type, headers=headers)
