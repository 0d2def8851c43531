"""Plain HTTP for sources of history: which failures are retried, which are refused, what an error says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from pairity.backoff import Backoff
from pairity.errors import ConfigError, CredentialsError, VenueAnswerError, VenueRejectedError, VenueUnreachableError

if TYPE_CHECKING:
    import requests

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED = frozenset({401, 403})
_NOT_FOUND = 404
# A server that asks for more than a minute is asked again after one: a run must come to an end.
_LONGEST_WAIT_S = 60.0
SOURCE_BACKOFF = Backoff(first_s=0.5, cap_s=_LONGEST_WAIT_S)


@dataclass
class Http:
    """GET with bounded retries on transient failures: no answer, a cut body, 408, 425, 429 and 5xx.

    A `Retry-After` of the server is waited for, up to a minute. At least `spacing_s` lies between two requests.
    Credentials travel in headers only: an error names the URL without its query.
    """

    retries: int
    timeout_s: float
    spacing_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    sleep: Callable[[float], None] = time.sleep
    _session: requests.Session | None = field(default=None, repr=False)
    _last: float = 0.0

    def __getstate__(self) -> NoReturn:
        raise TypeError("its headers hold a key: make another one from the settings")

    def get(self, url: str, params: Mapping[str, str] | None = None) -> bytes | None:
        """Return the body; None for 404. Every other failure is a child of VenueError."""
        attempt = 0
        while True:
            outcome = self._attempt(url, params or {})
            if not isinstance(outcome, _Transient):
                return outcome
            if attempt >= self.retries:
                raise VenueUnreachableError(
                    f"{_address(url)} {outcome.problem}, {attempt + 1} times",
                    "try again later: what was fetched before is kept, and a second run continues there",
                )
            self.sleep(SOURCE_BACKOFF.delay_s(attempt) if outcome.wait_s is None else outcome.wait_s)
            attempt += 1

    def json(self, url: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - whatever the source sends
        """Return the body as JSON; None for 404. VenueAnswerError where it is something else, such as HTML."""
        import json

        body = self.get(url, params)
        if body is None:
            return None
        try:
            return json.loads(body)
        except ValueError:
            problem = f"{_address(url)} answered {_start(body)} instead of JSON"
        # Raised here: the error of the parser, which has the whole body, is not what it leads to
        raise VenueAnswerError(problem, "check the address in [sources]")

    def _attempt(self, url: str, params: Mapping[str, str]) -> bytes | _Transient | None:
        import requests

        if self._session is None:
            self._session = requests.Session()
            self._session.headers.update(self.headers)
        self._wait_turn()
        try:
            answer = self._session.get(url, params=dict(params), timeout=self.timeout_s)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            return _Transient(f"did not answer in full ({type(error).__name__})", None)
        except requests.RequestException as error:
            raise ConfigError(f"{_address(url)} cannot be asked: {type(error).__name__}", "check [sources]") from None
        if answer.status_code in _TRANSIENT:
            return _Transient(f"answered {answer.status_code}", _retry_after(answer.headers.get("Retry-After")))
        if answer.status_code == _NOT_FOUND:
            return None
        if answer.status_code in _REFUSED:
            raise CredentialsError(
                f"{_address(url)} refused the key ({answer.status_code})", "check the key's variable"
            )
        if not answer.ok:
            raise VenueRejectedError(f"{_address(url)} answered {answer.status_code}", str(answer.status_code))
        promised = answer.headers.get("Content-Length")
        if promised is not None and "Content-Encoding" not in answer.headers and int(promised) != len(answer.content):
            return _Transient(f"sent {len(answer.content)} of {promised} bytes", None)
        return answer.content

    def _wait_turn(self) -> None:
        wait = self._last + self.spacing_s - time.monotonic()
        if wait > 0:
            self.sleep(wait)
        self._last = time.monotonic()


@dataclass(frozen=True, slots=True)
class _Transient:
    problem: str
    wait_s: float | None


def _retry_after(text: str | None) -> float | None:
    try:
        return None if text is None else min(max(float(text), 0.0), _LONGEST_WAIT_S)
    except ValueError:  # a date: the usual back-off will do
        return None


def _address(url: str) -> str:
    # Neither a query nor user information may reach a message: both carry keys.
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _start(body: bytes) -> str:
    text = body[:40].decode("utf-8", "replace").strip()
    return f"{text!r}…" if text else "nothing"
