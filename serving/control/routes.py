"""Routes of actions: a person's request over HTTP, with the control token, checked, put into the queue.

`POST /api/v1/actions/{action}` answers 202 as soon as the request is on the disk; the watch, which it wakes, carries it
out. Refused are, in this order: another origin (403), a process without a control token (403), a wrong token (401),
another content type than JSON (415), a body that is too large (413), not JSON (400) or does not fit (422), too many
(429), what a process that starts or ends does not take (409). Pages cannot send JSON across sites, and no cookie is
ever a credential: only the header `Authorization` is.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, SecretStr

from pairity.errors import PairityError
from pairity.local_requests import is_json, refuse_request
from serving.control.actions import LARGEST_BODY, Action, ActionBody, RefusedActionError, read_action
from serving.control.door import Door
from serving.control.queue import Request, RequestQueue
from serving.control.uses import Noted, Uses

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.background import BackgroundTask
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response

PREFIX = "/api/v1/actions"
_STATUSES = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)


class Accepted(BaseModel):
    """Answer to an action that was taken: the id that its event has once it is carried out, and when it was made.

    `note` says of one that is carried out later what it waits for.
    """

    request_id: str
    at: str
    note: str | None = None


class Fault(BaseModel):
    """What is wrong, and what to do."""

    what: str
    remedy: str


class Refusal(BaseModel):
    """Answer to an action that was refused."""

    error: Fault


def make_action_router(
    queue: RequestQueue,
    events: Noted,
    control_token: SecretStr | None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    door: Door | None = None,
) -> APIRouter:
    """Return the router of the actions; without a control token, or behind a closed `door`, it refuses all."""
    from fastapi import APIRouter, Path, Security
    from fastapi.requests import Request as HttpRequest
    from fastapi.responses import JSONResponse
    from fastapi.security import HTTPBearer
    from starlette.background import BackgroundTask
    from starlette.concurrency import run_in_threadpool

    router = APIRouter(prefix=PREFIX, tags=["actions"])
    uses, passes = Uses(events), door or Door()

    async def act(action: str, http: HttpRequest) -> Response:
        if action not in set(Action):
            return _answer(RefusedActionError(404, "there is no such action", f"actions are {', '.join(Action)}"))
        try:
            _check_sender(http, control_token)
            request = read_action(Action(action), await _read_body(http), now())
            if not uses.may_take(action):
                raise RefusedActionError(429, f"too many times {action} within a minute", "wait a minute")
            request_id, note = await run_in_threadpool(_put, queue, request, Action(action), passes)
        except RefusedActionError as error:
            # After the answer: a journal that is locked, or on a disk that hangs, keeps nobody waiting for it.
            return _answer(error, BackgroundTask(uses.refuse, action, error.status, error.what))
        later = {} if note is None else {"note": note}
        return JSONResponse({"request_id": request_id, "at": request.at.isoformat(), **later}, status_code=202)

    # Annotations are texts here, and FastAPI would look for the types in this module.
    known = Path(description="What is asked for.", json_schema_extra={"enum": list(Action)})
    act.__annotations__ |= {"action": Annotated[str, known], "http": HttpRequest, "return": JSONResponse}
    router.add_api_route(
        "/{action}",
        act,
        methods=["POST"],
        status_code=202,
        summary="Ask the trading process for something, as a person with the control token.",
        response_model=None,
        responses={202: {"model": Accepted}, **{status: {"model": Refusal} for status in _STATUSES}},
        openapi_extra=_describe_body(),
        # For the description alone: `_check_sender` decides, and says why.
        dependencies=[Security(HTTPBearer(scheme_name="control", auto_error=False))],
    )
    return router


def _answer(error: RefusedActionError, background: BackgroundTask | None = None) -> Response:
    from starlette.responses import JSONResponse

    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    body = {"error": {"what": error.what, "remedy": error.remedy}}
    return JSONResponse(body, status_code=error.status, headers=headers, background=background)


def _check_sender(http: HttpRequest, control_token: SecretStr | None) -> None:
    """Refuse who must not act."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in http.headers.raw]
    address, port = http.scope["server"]
    if (refusal := refuse_request(headers, address, port)) is not None:
        raise RefusedActionError(403, refusal, "send it from this machine, and from no page of another origin")
    if control_token is None:
        raise RefusedActionError(
            403, "no control token is set, so nothing can be asked for here", "set PAIRITY_SERVE__CONTROL_TOKEN"
        )
    given = [value.encode("latin-1") for name, value in headers if name.lower() == "authorization"]
    expected = f"Bearer {control_token.get_secret_value()}".encode()
    if len(given) != 1 or not hmac.compare_digest(given[0], expected):
        raise RefusedActionError(401, "the control token is missing or wrong", "send it as Authorization: Bearer TOKEN")
    types = [value for name, value in headers if name.lower() == "content-type"]
    if len(types) != 1 or not is_json(types[0]):
        raise RefusedActionError(415, "the body is not sent as JSON", "send Content-Type: application/json")


async def _read_body(http: HttpRequest) -> bytes:
    from starlette.requests import ClientDisconnect

    body = bytearray()
    try:
        async for piece in http.stream():
            body += piece
            if len(body) > LARGEST_BODY:
                raise RefusedActionError(413, f"the body has more than {LARGEST_BODY} bytes", "send a shorter reason")
    except ClientDisconnect:  # nobody reads the answer; the use is journalled all the same
        raise RefusedActionError(400, "the body was cut off", "send it whole") from None
    return bytes(body)


def _put(queue: RequestQueue, request: Request, action: Action, door: Door) -> tuple[str, str | None]:
    try:
        with door.passing(action) as note:
            return queue.put(request), note
    except PairityError as error:  # too many wait, or what stands in the queue's place is none of ours
        raise RefusedActionError(429, error.what, error.remedy) from None
    except OSError as error:
        raise RefusedActionError(
            503, f"the request cannot be written: {error.strerror}", "make room on the disk; stops stay on the venue"
        ) from None


def _describe_body() -> dict[str, Any]:
    schema = ActionBody.model_json_schema()
    example = {"reason": "news about the venue", "confirmation": "HALT"}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}
