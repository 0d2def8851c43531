"""A live process to be killed: it ingests hour after hour over a stepped exchange, and compacts every few hours.

`python -m tests.e2e.hourly_life HOME URL SINCE [AREA NUMBER]` goes on where the exchange's clock stands; first it asks
for everything from SINCE on, or where that is `hour` for the hour alone. With AREA it kills itself before the change of
that number to a file or folder whose path holds AREA. Else it says at its end how many changes there were of each area.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingestion.pipeline import Pipeline
from pairity.settings import Settings
from pairity.timeline import HOUR, MINUTE, floor_to
from tests.e2e.running import ASSETS
from venue.clock import SteppedClock

HISTORY = datetime(2026, 1, 21, tzinfo=UTC)
START = datetime(2026, 1, 31, 18, tzinfo=UTC)
"""The month ends after the sixth live hour."""
UNTIL = START + 14 * HOUR
LAG = timedelta(seconds=30)
ONE_HOUR = "hour"
COMPACTED_AFTER = 3
"""So many commits wait for compaction: less than in the product, so that a few hours see it several times."""
AREAS = ("/lake/segments/", "/lake/candles_1m/", "/lake/mark_1h/", "/features/", "/quarantine/", "/staging/", ".gener")


def settings_of(home: Path, url: str) -> Settings:
    """Return the product's settings, but for a small universe that soon has pairs."""
    return Settings(
        home=home,
        universe={"assets": ASSETS, "min_aligned_bars": 24},
        exchange={"url": url, "control_url": f"{url}/control", "rate_limit": False, "max_retries": 1},
    )


async def live(settings: Settings, since: datetime | None) -> None:
    """Ingest each hour from the one at which the exchange stands; the first time from `since` on."""
    assert settings.exchange.control_url is not None
    clock = await SteppedClock.connect(settings.exchange.control_url)
    close = floor_to(clock.now(), HOUR)
    async with Pipeline(settings, clock) as pipeline:
        while close <= UNTIL:
            await clock.sleep_until(close + LAG)
            report = await pipeline.run(since or close - HOUR - MINUTE, close, live=True)
            assert not [failure for failure in report.failures if failure.served], report.failures
            assert pipeline.work_ahead(close) == []
            if pipeline.lake.pending >= COMPACTED_AFTER:
                with pipeline.lake.writing():
                    pipeline.lake.compact()
            close, since = close + HOUR, None


def watch_changes(root: str, area: str | None = None, number: int = 0) -> Counter[str]:
    """Count what changes files below `root` by area; die before the change of that number in `area`."""
    done: Counter[str] = Counter()

    def count(event: str, arguments: tuple[object, ...]) -> None:
        changes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir")
        changes |= event == "open" and isinstance(arguments[1], str) and "w" in arguments[1]
        path = str(arguments[0]) if changes else ""
        if not path.startswith(root):
            return
        for name in AREAS:
            if name in path:
                if name == area and done[name] == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                done[name] += 1

    sys.addaudithook(count)
    return done


if __name__ == "__main__":
    home, url, first, *kill = sys.argv[1:]
    counted = watch_changes(home, kill[0], int(kill[1])) if kill else watch_changes(home)
    asyncio.run(live(settings_of(Path(home), url), None if first == ONE_HOUR else datetime.fromisoformat(first)))
    print(json.dumps(counted))
