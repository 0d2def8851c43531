"""The alarm that needs no room on the disk."""

from __future__ import annotations

import asyncio

import pytest

from serving.alerts import emergency
from serving.alerts.sending import Outcome


def test_an_emergency_is_told_after_a_minute_and_again_every_hour_until_it_is_over() -> None:
    now_s, sent = [0.0], []

    async def send(name: str, _text: str) -> Outcome:
        sent.append((name, now_s[0]))
        return Outcome(delivered=True, refused=False, said="answered 200")

    async def wait(seconds: float) -> None:
        now_s[0] += seconds
        if now_s[0] > 20_000:
            raise asyncio.CancelledError

    def find_failure() -> str | None:
        return "full" if 100 <= now_s[0] < 120 or 1000 <= now_s[0] < 9000 else None

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(emergency.run_emergency(find_failure, ["a", "b"], send, wait, monotonic=lambda: now_s[0]))
    assert sent == [(name, at) for at in (1060.0, 4660.0, 8260.0) for name in ("a", "b")]
