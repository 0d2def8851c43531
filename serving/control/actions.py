"""Actions over HTTP as a person sends them: which there are, what a body must say, what has to be typed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pairity.bounded_json import JsonLimits, parse_json
from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import ConfigError
from pairity.names import POSITION_ID, check_note
from serving.control.queue import Request
from serving.journal.event_records import Wish

LARGEST_BODY = 8192
_LIMITS = JsonLimits(size=LARGEST_BODY, depth=2, values=100)
_HIGHEST_EVENT = 2**53


class Action(StrEnum):
    """What may be asked for over HTTP; each is the wish of the same name."""

    GUARD = "guard"
    UNGUARD = "unguard"
    HALT = "halt"
    RESUME = "resume"
    FLATTEN = "flatten"
    CLOSE = "close"
    ACKNOWLEDGE = "acknowledge"
    ACKNOWLEDGE_ALL = "acknowledge-all"


UNCONFIRMED = frozenset({Action.ACKNOWLEDGE, Action.ACKNOWLEDGE_ALL})
"""Actions that need neither a typed word nor a reason: they change nothing of what is traded."""


class ActionBody(BaseModel):
    """Body of an action: why, the word that was typed, and for some what it is about."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    reason: str = Field(default="", max_length=500, description="Why, for the journal; only acknowledging needs none.")
    confirmation: str = Field(
        default="",
        max_length=200,
        description="The action in capitals (HALT), to close a position CLOSE and its id; not needed to acknowledge.",
    )
    position_id: str | None = Field(default=None, max_length=120, description="The position to close.")
    event_id: int | None = Field(default=None, ge=1, le=_HIGHEST_EVENT, description="The event to acknowledge.")


class RefusedActionError(Exception):
    """Refusal of an action: `status` is the HTTP status, `what` and `remedy` are for the person."""

    def __init__(self, status: int, what: str, remedy: str) -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.remedy = remedy


def required_word(action: Action, position_id: str | None) -> str:
    """Return what has to be typed to confirm an action; empty where nothing has.

    >>> required_word(Action.CLOSE, "BTC__ETH@20250318T1700Z")
    'CLOSE BTC__ETH@20250318T1700Z'
    """
    if action in UNCONFIRMED:
        return ""
    return action.upper() if action is not Action.CLOSE else f"CLOSE {position_id}"


def read_action(action: Action, content: bytes, at: datetime) -> Request:
    """Return the request that a body makes of an action; RefusedActionError (400 or 422) says what is wrong with it."""
    try:
        row = parse_json(content, _LIMITS)
    except OutOfBoundsError as error:
        raise RefusedActionError(400, f"the body {error.what}", "send a JSON object") from None
    try:
        body = ActionBody.model_validate(row)
    except ValidationError as error:
        faults = "; ".join(_explain(item) for item in error.errors(include_url=False, include_input=False)[:5])
        raise RefusedActionError(422, faults, f"fields are {', '.join(ActionBody.model_fields)}") from None
    _check_target(action, body)
    word = required_word(action, body.position_id)
    if body.confirmation != word and word:
        raise RefusedActionError(422, "the action is not confirmed", f'send "confirmation": "{word}"')
    return Request(
        wish=Wish(action.value),
        at=at,
        reason=_check_reason(action, body.reason),
        by="page",
        position_id=body.position_id,
        event_id=body.event_id,
    )


def _check_target(action: Action, body: ActionBody) -> None:
    """Refuse what is missing or too much; a position is named by a plain id."""
    for name, needed in (("position_id", action is Action.CLOSE), ("event_id", action is Action.ACKNOWLEDGE)):
        given = getattr(body, name) is not None
        if given is not needed:
            verb = "lacks" if needed else "has no use for"
            raise RefusedActionError(422, f"{action} {verb} {name}", f"send it {'too' if needed else 'without'}")
    if body.position_id is not None and not POSITION_ID.accepts(body.position_id):
        raise RefusedActionError(422, "position_id is not the id of a position", POSITION_ID.explain())


def _check_reason(action: Action, reason: str) -> str:
    if action in UNCONFIRMED and not reason.strip():
        return ""
    try:
        return check_note(reason, "reason")
    except ConfigError as error:
        raise RefusedActionError(422, "reason is empty or cannot be recorded", error.remedy) from None


def _explain(item: object) -> str:
    """Return what pydantic says of a field; a field that there is not is not repeated."""
    assert isinstance(item, dict)
    name = str(item["loc"][0]) if item["loc"] else "the body"
    shown = name if name in ActionBody.model_fields or not item["loc"] else "a field"
    return f"{shown}: {item['msg']}"
