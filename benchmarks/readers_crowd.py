"""A crowd of readers for a measurement: `python -m benchmarks.readers_crowd URL FILE`.

FILE holds the pause of each reader between two requests in seconds, or nothing: then nobody reads. It is looked at all
the time. The streams are open as long as somebody reads. What was answered, how soon, and how many of the events that
any stream brought came over all of them, is appended to FILE.answered, as JSON in one line per stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import aiohttp

READERS, STREAMS = 200, 50
PATHS = ("status", "positions", "decisions", "orders", "trades", "heatmap", "risk", "trust", "events", "equity")
_LOOK_S = 0.05


class Crowd:
    """Readers and listeners of one API, who come and go as the file says."""

    def __init__(self, url: str, wanted: Path) -> None:
        self._url = url
        self._wanted = wanted
        self.answered: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.seen: list[set[str]] = []
        """Ids of the events that each stream brought since all were open."""

    async def run(self) -> None:
        """Read while the file exists."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http:
            while self._wanted.exists():
                pause = self._wanted.read_text()
                if pause:
                    await self._read(http, pause)
                await asyncio.sleep(_LOOK_S)

    async def _read(self, http: aiohttp.ClientSession, pause: str) -> None:
        readers = [self._ask(http, number, float(pause)) for number in range(READERS)]
        everybody = [asyncio.ensure_future(job) for job in (*readers, *(self._listen(http) for _ in range(STREAMS)))]
        begun = time.monotonic()
        self.answered.clear()
        self.seconds.clear()
        self.seen.clear()
        while self._wanted.exists() and self._wanted.read_text() == pause:
            await asyncio.sleep(_LOOK_S)
        for job in everybody:
            job.cancel()
        await asyncio.gather(*everybody, return_exceptions=True)
        with self._wanted.with_suffix(".answered").open("a") as file:
            file.write(json.dumps({"pause_s": float(pause), **self._sum_up(time.monotonic() - begun)}) + "\n")

    def _sum_up(self, seconds: float) -> dict[str, object]:
        """Return what the crowd was answered in so many seconds; latencies are those of requests that were answered."""
        sent = set[str]().union(*self.seen)
        return {
            "seconds": round(seconds, 3),
            "answered": dict(self.answered),
            "median_ms": round(statistics.median(self.seconds) * 1e3, 1) if self.seconds else None,
            "worst_ms": round(max(self.seconds) * 1e3, 1) if self.seconds else None,
            "streams": len(self.seen),
            "events_sent": len(sent) * len(self.seen),
            "events_delivered": sum(map(len, self.seen)),
        }

    async def _ask(self, http: aiohttp.ClientSession, number: int, pause_s: float) -> None:
        await asyncio.sleep(pause_s * number / READERS)
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                begun = time.monotonic()
                path = f"{self._url}/api/v1/{PATHS[number % len(PATHS)]}"
                async with http.get(path) as answer:
                    await answer.read()
                    self.answered[str(answer.status)] += 1
                self.seconds.append(time.monotonic() - begun)
            number += 1
            await asyncio.sleep(pause_s)

    async def _listen(self, http: aiohttp.ClientSession) -> None:
        """Follow one stream; what came before the last one was open is not compared."""
        seen: set[str] | None = None
        async with http.get(f"{self._url}/api/v1/stream") as answer:
            async for line in answer.content:
                if line.startswith(b"event:"):
                    self.answered["events"] += 1
                    if seen is None:
                        self.seen.append(seen := set())
                elif line.startswith(b"id:") and seen is not None and len(self.seen) == STREAMS:
                    seen.add(line.decode().split()[1])


if __name__ == "__main__":
    os.nice(19)  # the crowd's own work is not what is measured
    asyncio.run(Crowd(sys.argv[1], Path(sys.argv[2])).run())
