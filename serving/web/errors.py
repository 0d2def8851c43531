"""Errors of the API as its clients see them: always `{"error": {"what": …, "remedy": …}}`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from pairity.errors import ConfigError, JournalError
from serving.views.base import View
from serving.views.errors import NotFoundError
from serving.web.answers import BusyError, explain_failure

API = "/api/v1"
_LONGEST = 300
_REMEDIES = {
    404: f"{API}/openapi.json lists all paths",
    405: "reading is GET; what may be done is POST below /api/v1/actions",
    415: "send JSON, with Content-Type: application/json",
}


class ErrorDetail(View):
    """What happened, and what to do about it."""

    what: str
    remedy: str


class ErrorAnswer(View):
    """Answer to a request that cannot be served."""

    error: ErrorDetail


RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorAnswer, "description": "The token is missing or wrong."},
    403: {"model": ErrorAnswer, "description": "The request comes from another origin."},
    422: {"model": ErrorAnswer, "description": "A parameter cannot be used."},
    429: {"model": ErrorAnswer, "description": "Too much is asked at a time."},
    503: {"model": ErrorAnswer, "description": "The journal cannot be read now."},
}
"""Answers besides 200 that every path of the API may give."""
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": ErrorAnswer, "description": "There is no such thing."}}


def make_error(status: int, what: str, remedy: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the answer to a request that cannot be served."""
    content = ErrorAnswer(error=ErrorDetail(what=what[:_LONGEST], remedy=remedy[:_LONGEST]))
    return JSONResponse(content.model_dump(), status, headers)


def install_error_handlers(app: FastAPI) -> None:
    """Let every error of `app` be answered in the API's form; none of them ends anything."""

    @app.exception_handler(RequestValidationError)
    def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent is not repeated: it may be anything.
        found = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'][:3])[:80]}: {item['msg']}" for item in error.errors()[:3]
        )
        return make_error(422, found, f"{API}/openapi.json says what may be asked")

    @app.exception_handler(NotFoundError)
    def miss(_: Request, error: NotFoundError) -> JSONResponse:
        return make_error(404, error.what, error.remedy)

    @app.exception_handler(ConfigError)
    def reject(_: Request, error: ConfigError) -> JSONResponse:
        return make_error(422, error.what, error.remedy)

    @app.exception_handler(HTTPException)
    def explain(request: Request, error: HTTPException) -> JSONResponse:
        what = f"{error.detail}: {request.method} {request.url.path[:100]}"
        return make_error(error.status_code, what, _REMEDIES.get(error.status_code, ""), dict(error.headers or {}))

    # By name: for what only `Exception` covers a traceback is logged besides, and these are no mistakes of the program.
    @app.exception_handler(JournalError)
    @app.exception_handler(BusyError)
    @app.exception_handler(SQLAlchemyError)
    def wait(_: Request, error: Exception) -> JSONResponse:
        return make_error(*explain_failure(error))

    @app.exception_handler(Exception)
    def fail(_: Request, error: Exception) -> JSONResponse:
        return make_error(*explain_failure(error))
