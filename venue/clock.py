"""Clocks of the trading process: the machine's, or the venue's where the venue's time is virtual."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pairity.bounded_body import ACCEPTED_ENCODINGS
from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import VenueAnswerError, VenueUnreachableError
from pairity.settings import ExchangeSettings
from pairity.timeline import Clock, from_ms, to_ms
from pairity.web_address import parse_loopback_address, parse_private_address
from venue.okx_answers import short
from venue.okx_hosts import control_address, exchange_address, is_okx
from venue.okx_session import VenueSession, parse_answer
from venue.okx_values import read_instant

_POLL_S = 0.5
_FIRST_POLL_S, _SOONEST_S = 0.05, 0.01
_SHORTEST_MEASURE_S = 0.02
"""Real seconds between two polls from which a speed is measured."""
_WRONG_ADDRESS = "is this the paper exchange's address?"


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current instant (aware, UTC)."""
        return datetime.now(UTC)

    async def sleep_until(self, instant: datetime) -> None:
        """Return once `now() >= instant`; short sleeps notice a suspended machine or a clock that was set."""
        while (left := (instant - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, 30.0))


class SteppedClock:
    """Time of a stepped paper exchange. Sleeping *advances* the exchange: this process is what makes time pass.

    Nothing happens on the venue between two sleeps except at the instants that are stepped over, so a replay is as
    deterministic as its data.
    """

    def __init__(self, control_url: str, now: datetime, timeout_s: float = 60.0) -> None:
        self._control_url = control_url.rstrip("/")
        self._now = now
        self._timeout_s = timeout_s

    @classmethod
    async def connect(cls, control_url: str, timeout_s: float = 60.0) -> Self:
        """Return a clock at the exchange's present instant.

        VenueUnreachableError where nothing answers, ConfigError for an address that is not of this machine.
        """
        where = parse_loopback_address(control_url, "exchange.control_url").url
        state = await _request("GET", f"{where}/state", None, timeout_s)
        return cls(where, _instant(state, where), timeout_s)

    def now(self) -> datetime:
        """Return the instant to which the exchange was last stepped."""
        return self._now

    async def sleep_until(self, instant: datetime) -> None:
        """Step the exchange to `instant`; do nothing if that is past."""
        if instant <= self._now:
            return
        # Rounded up: the exchange counts milliseconds, and `now() >= instant` must hold afterwards.
        target = to_ms(instant + timedelta(microseconds=999))
        state = await _request("POST", f"{self._control_url}/advance", {"to": target}, self._timeout_s)
        self._now = _instant(state, self._control_url)


class PolledClock:
    """Time of an exchange whose clock runs at any speed: polled while sleeping, never ahead of the exchange in between.

    How fast it runs is measured from poll to poll, so that an instant is not slept through at hundreds of times real
    time, and `now` does not run ahead of a clock that is slow, or stands: a bar that seems to have closed before it did
    would never be decided on.
    """

    def __init__(self, base_url: str, now: datetime, timeout_s: float) -> None:
        self._url = f"{base_url.rstrip('/')}/api/v5/public/time"
        self._timeout_s = timeout_s
        self._seen = now
        self._seen_at = time.monotonic()
        self._speed: float | None = None

    @classmethod
    async def connect(cls, base_url: str, timeout_s: float) -> PolledClock:
        """Return a clock at the exchange's present instant. VenueUnreachableError where nothing answers."""
        clock = cls(base_url, from_ms(0), timeout_s)
        await clock._poll()
        clock._speed = None  # from 1970 to now is no speed
        await asyncio.sleep(_FIRST_POLL_S)
        await clock._poll()
        return clock

    def now(self) -> datetime:
        """Return the last instant heard plus the real time since, less where the exchange's clock is slower."""
        speed = 0.0 if self._speed is None else min(self._speed, 1.0)
        return self._seen + timedelta(seconds=(time.monotonic() - self._seen_at) * speed)

    async def sleep_until(self, instant: datetime) -> None:
        """Poll the exchange until its time has come."""
        while self._seen < instant:
            # No back-off: a poll is no failure, and the instant must not be missed by more than one poll.
            await asyncio.sleep(self._find_pause_s(instant))
            await self._poll()

    def _find_pause_s(self, instant: datetime) -> float:
        """Return for how many real seconds to sleep: until the instant as the speed was last, and never long."""
        passed_s = time.monotonic() - self._seen_at
        left_s = (instant - self._seen).total_seconds() / max(self._speed or 1.0, 1e-6) - passed_s
        return min(_POLL_S, max(left_s, _SOONEST_S))

    async def _poll(self) -> None:
        before, before_at = self._seen, self._seen_at
        answer = await _request("GET", self._url, None, self._timeout_s)
        try:
            self._seen = read_instant(answer["data"][0]["ts"])
        except (KeyError, IndexError, TypeError, ValueError):
            raise VenueAnswerError(f"{self._url} did not answer with a time: {short(answer)}") from None
        self._seen_at = time.monotonic()
        # Over less than that the milliseconds of the answer and its way say more than the speed does.
        if (passed_s := self._seen_at - before_at) >= _SHORTEST_MEASURE_S:
            self._speed = max((self._seen - before).total_seconds() / passed_s, 0.0)


async def clock_for(settings: ExchangeSettings) -> Clock:
    """Return the clock that fits the venue: stepped, polled (any other exchange with a URL) or, for OKX, the machine's.

    ConfigError for an address to which nothing may be sent.
    """
    control, address = control_address(settings), exchange_address(settings)
    if control is not None:
        return await SteppedClock.connect(control.url)
    if is_okx(address):
        return SystemClock()
    return await PolledClock.connect(address.url, settings.timeout_s)


def _instant(state: dict[str, Any], where: str) -> datetime:
    if "error" in state:
        raise VenueAnswerError(f"the exchange at {where} refused to step its clock: {short(state['error'])}")
    try:
        return read_instant(state["now_ms"])
    except (KeyError, TypeError, ValueError):
        raise VenueAnswerError(
            f"{where} is not the control endpoint of a paper exchange: {short(state)}",
            "start it with: pairity paper-exchange --clock stepped --control",
        ) from None


async def _request(method: str, url: str, body: dict[str, int] | None, timeout_s: float) -> dict[str, Any]:
    import aiohttp
    from yarl import URL

    session = VenueSession(parse_private_address(url, "the clock's address"))
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    sent = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept-Encoding": ACCEPTED_ENCODINGS}
    send = session.get if method == "GET" else session.post
    try:
        async with send(URL(url), data=sent, headers=headers, timeout=timeout, proxy=None) as answer:
            parsed = parse_answer(await answer.text())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise VenueUnreachableError(
            f"no exchange answers at {url} ({type(error).__name__})",
            "start one, or run make demo, which brings its own",
        ) from None
    except OutOfBoundsError as refusal:
        raise VenueAnswerError(f"{url} sent an answer that {refusal.what}", _WRONG_ADDRESS) from None
    except ValueError:
        raise VenueAnswerError(f"{url} did not answer in JSON", _WRONG_ADDRESS) from None
    finally:
        await session.close()
    if not isinstance(parsed, dict):
        raise VenueAnswerError(f"{url} did not answer in JSON, with an object", _WRONG_ADDRESS)
    return parsed
