"""A crowd of readers for a measurement: `python -m benchmarks.readers_crowd URL FILE`.

FILE holds the pause of each reader between two requests in seconds, or nothing: then nobody reads. It is looked at all
the time. The streams are open as long as somebody reads. What was answered is appended to FILE.answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
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
        while self._wanted.exists() and self._wanted.read_text() == pause:
            await asyncio.sleep(_LOOK_S)
        for job in everybody:
            job.cancel()
        await asyncio.gather(*everybody, return_exceptions=True)
        line = f"{pause} {time.monotonic() - begun:.3f} {dict(self.answered)}\n"
        with self._wanted.with_suffix(".answered").open("a") as file:
            file.write(line)

    async def _ask(self, http: aiohttp.ClientSession, number: int, pause_s: float) -> None:
        await asyncio.sleep(pause_s * number / READERS)
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                path = f"{self._url}/api/v1/{PATHS[number % len(PATHS)]}"
                async with http.get(path) as answer:
                    await answer.read()
                    self.answered[str(answer.status)] += 1
            number += 1
            await asyncio.sleep(pause_s)

    async def _listen(self, http: aiohttp.ClientSession) -> None:
        async with http.get(f"{self._url}/api/v1/stream") as answer:
            async for line in answer.content:
                if line.startswith(b"event:"):
                    self.answered["events"] += 1


if __name__ == "__main__":
    os.nice(19)  # the crowd's own work is not what is measured
    asyncio.run(Crowd(sys.argv[1], Path(sys.argv[2])).run())
