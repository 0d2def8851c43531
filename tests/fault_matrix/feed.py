"""The column `feed`: the hour's bars are read by the real pipeline, and the trading process decides on them, or not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from pairity.errors import StaleFeaturesError
from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal import Journal, TradingState
from serving.process import serve
from tests.e2e.running import ASSETS, Place, Running
from tests.fault_matrix.operations import FEED
from tests.fault_matrix.situations import Situation
from tests.serving.guarding import Said


class Feed:
    """One exchange, one data directory with a champion, and an hour of trading per cell."""

    def __init__(self, exchange: Running, folder: Path) -> None:
        self._exchange = exchange
        os.environ.setdefault("PAIRITY_SIGNING_KEY", str(folder / "key" / "signing.key"))
        place = Place(folder / "feed")
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        for done in (place.run("ingest", *options, "--since", "22d"), place.run("train", "--no-compare")):
            assert done.returncode == 0, done.stdout + done.stderr
        self._settings = Settings(
            home=place.home,
            universe={"assets": ASSETS},
            model={"n_estimators": 30},
            serve={"port": 0},
            exchange={
                "url": exchange.url,
                "control_url": exchange.control,
                "rate_limit": False,
                "max_retries": 1,
                "timeout_s": 0.8,
                "api_key": "paper",
                "api_secret": "paper",
                "api_passphrase": "paper",
            },
        )
        self._trade()

    def play(self, situation: Situation, *, lasting: bool) -> tuple[str, list[str]]:
        """Play one cell: an hour with the situation, and an hour without; return what came of it and what is wrong."""
        before = len(self._read_states())
        path = "*" if situation.everywhere else FEED.path
        body = {"kind": situation.what, "path": path, "count": None if lasting else 1, "params": dict(situation.params)}
        self._exchange.post("faults", body)
        try:
            result = self._trade()
        except Exception as error:  # noqa: BLE001 - whatever ends the process is what is looked for
            result = f"ended: {type(error).__name__}: {error}"
        finally:
            clear = urllib.request.Request(f"{self._exchange.control}/faults", method="DELETE")
            urllib.request.urlopen(clear, timeout=30).close()
        causes = [
            record.reason.partition(":")[0]
            for record in self._read_states()[before:]
            # Whether something is open that cannot be closed depends on the rows before.
            if record.state is not TradingState.TRADING and not record.reason.startswith("exits:")
        ]
        if causes:
            result += f"; guards: {', '.join(dict.fromkeys(causes))}"
        after = self._trade()
        wrong = [] if after == "fresh" else [f"an hour after it was over: {after}"]
        if self._read_states()[-1].state is not TradingState.TRADING:
            wrong.append(f"it is still {self._read_states()[-1].reason}")
        return result, wrong

    def _trade(self) -> str:
        """Trade one hour; say what the decision was made on."""
        said = Said()

        async def one_hour() -> None:
            await serve(self._settings, live=False, cycles=1, progress=said, on_ready=lambda _: None)

        before = self._read(lambda journal: journal.last_decision())
        with contextlib.suppress(StaleFeaturesError):  # a run of one blind decision ends with this, after it
            asyncio.run(one_hour())
        decision = self._read(lambda journal: journal.last_decision())
        if decision is None or decision == before:
            return "no decision"
        scores = decision.decision.scores
        blind = sum(score.probability is None for score in scores)
        return "fresh" if not blind else "blind" if blind == len(scores) else f"{blind} pairs of {len(scores)} blind"

    def _read_states(self) -> list[Any]:
        return list(self._read(lambda journal: journal.states.all()) or [])

    def _read(self, look: Any) -> Any:
        path = Layout.of(self._settings).journal
        if not path.is_file():
            return None
        with closing(Journal.read(path)) as journal:
            return look(journal)
