"""Plain HTTP for sources of history: which failures are retried, which are refused, what an error says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from pairity.backoff import Backoff
from pairity.bounded_json import ANSWER, parse_json
from pairity.bounded_numbers import OutOfBoundsError, parse_float
from pairity.errors import ConfigError, CredentialsError, VenueAnswerError, VenueRejectedError, VenueUnreachableError
from pairity.web_address import parse_private_address

if TYPE_CHECKING:
    import requests

    from ingestion.sources.bounded_transport import BoundedTransport

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED = frozenset({401, 403})
_OK, _NOT_FOUND = 200, 404
# A server that asks for more than a minute is asked again after one: a run must come to an end.
_LONGEST_WAIT_S = 60.0
SOURCE_BACKOFF = Backoff(first_s=0.5, cap_s=_LONGEST_WAIT_S)
_NOTHING_STORED = "nothing of it was stored; check the address in [sources]"


class TooLargeError(VenueAnswerError):
    """An answer, or the file in it, that says before it is read that it is larger than its limit."""


@dataclass
class Http:
    """GET with bounded retries on transient failures: no answer, a cut body, 408, 425, 429 and 5xx.

    A `Retry-After` of the server is waited for, up to a minute. At least `spacing_s` lies between two requests.
    Credentials travel in headers only: an error names the URL without its query. `timeout_s` is the longest silence,
    `total_s` the time of a whole answer, however it drips in. Redirects are not followed. Where there are credentials,
    they go over https or not beyond this machine, past every proxy and without what `.netrc` would put in their place.
    """

    retries: int
    timeout_s: float
    spacing_s: float = 0.0
    total_s: float = 900.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    sleep: Callable[[float], None] = time.sleep
    _session: requests.Session | None = field(default=None, repr=False)
    _transport: BoundedTransport | None = field(default=None, repr=False)
    _last: float = 0.0

    def __getstate__(self) -> NoReturn:
        raise TypeError("its headers hold a key: make another one from the settings")

    def get(self, url: str, params: Mapping[str, str] | None = None, limit: int = ANSWER.size) -> bytes | None:
        """Return the body, of at most `limit` bytes when it is expanded; None for 404.

        Every other failure is a child of VenueError. TooLargeError where the server announces a larger body.
        """
        attempt = 0
        while True:
            outcome = self._attempt(url, params or {}, limit)
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
        body = self.get(url, params)
        if body is None:
            return None
        try:
            return parse_json(body)
        except OutOfBoundsError as error:
            problem = f"the answer of {_address(url)} {error.what}"
        # Raised here: the error of the parser, which has the whole body, is not what it leads to
        raise VenueAnswerError(problem, _NOTHING_STORED)

    def _attempt(self, url: str, params: Mapping[str, str], limit: int) -> bytes | _Transient | None:
        import requests
        import urllib3

        from ingestion.sources.bounded_transport import AnnouncedError, DeadlineError

        if self.headers:
            parse_private_address(url, "the address of a source with a key,")
        session, transport = self._open()
        transport.limit = limit
        self._wait_turn()
        try:
            answer = session.get(url, params=dict(params), timeout=self.timeout_s)
        except DeadlineError as error:
            what = f"the answer of {_address(url)} {error.what}"
            raise VenueUnreachableError(what, "try again later, or raise sources.total_s") from None
        except AnnouncedError as error:
            raise TooLargeError(f"the answer of {_address(url)} {error.what}", _NOTHING_STORED) from None
        except OutOfBoundsError as error:
            raise VenueAnswerError(f"the answer of {_address(url)} {error.what}", _NOTHING_STORED) from None
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            return _Transient(f"did not answer in full ({type(error).__name__})", None)
        except (requests.RequestException, UnicodeError) as error:
            # A header of the answer; those of the request are refused by `requests` in words of its own.
            if error.args and isinstance(error.args[0], urllib3.exceptions.InvalidHeader):
                return _Transient("did not answer in full (InvalidHeader)", None)
            raise ConfigError(f"{_address(url)} cannot be asked: {type(error).__name__}", "check [sources]") from None
        except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
            return _Transient(f"did not answer in full ({type(error).__name__})", None)
        if answer.status_code in _TRANSIENT:
            return _Transient(f"answered {answer.status_code}", _retry_after(answer.headers.get("Retry-After")))
        if answer.status_code == _NOT_FOUND:
            return None
        if answer.status_code in _REFUSED:
            raise CredentialsError(
                f"{_address(url)} refused the key ({answer.status_code})", "check the key's variable"
            )
        if answer.status_code != _OK:
            raise VenueRejectedError(f"{_address(url)} answered {answer.status_code}", str(answer.status_code))
        return answer.content

    def _open(self) -> tuple[requests.Session, BoundedTransport]:
        if self._session is None or self._transport is None:
            import requests

            from ingestion.sources.bounded_transport import BoundedTransport

            self._transport = BoundedTransport(self.total_s)
            self._session = requests.Session()
            self._session.headers.update(self.headers)
            self._session.trust_env = not self.headers
            for scheme in ("http://", "https://"):
                self._session.mount(scheme, self._transport)
        return self._session, self._transport

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
        return None if text is None else min(max(parse_float(text), 0.0), _LONGEST_WAIT_S)
    except OutOfBoundsError:  # a date: the usual back-off will do
        return None


def _address(url: str) -> str:
    # Neither a query nor user information may reach a message: both carry keys.
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
