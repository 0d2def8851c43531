"""What state machines of trading share: a process that may be killed at every step, and a venue that hiccups."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from pairity.errors import PairityError
from tests.serving.tiny_client import AFTER, BEFORE
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import Desk, desk_on

ORDER, LOOK, ALGO = "privatePostTradeOrder", "privateGetTradeOrder", "privatePostTradeOrderAlgo"
READS = (
    "privateGetTradeOrder",
    "privateGetTradeOrderAlgo",
    "privateGetTradeOrdersAlgoPending",
    "privateGetAccountPositions",
    "privateGetTradeFillsHistory",
    "privatePostTradeCancelAlgos",
)
FAULT = (
    st.tuples(st.just(ORDER), st.sampled_from([*BEFORE, *AFTER, "late"]))
    | st.tuples(st.just(ALGO), st.sampled_from([*BEFORE, *AFTER]))
    | st.tuples(st.sampled_from(READS), st.sampled_from(["html", "empty", "timeout", "cut", "garbage", "busy_50004"]))
)
# The order may not be found at first; the venue is not allowed to deny it for as long as the settling time.
HICCUPS = st.lists(FAULT, max_size=4).flatmap(
    lambda faults: st.integers(0, 2).map(lambda misses: faults + [(LOOK, "missing")] * misses)
)


class Killed(BaseException):
    """The process ends here."""


class TradingMachine(RuleBasedStateMachine):
    """One desk over the tiny exchange; `options` are those of every process that is started."""

    def __init__(self, tiny: TinyOkx, **options: Any) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self._tiny, self._options = tiny, options
        self.hour = 0
        self.steps_left: int | None = None
        self.desk = self._start()

    def teardown(self) -> None:
        self.desk.journal.close()
        shutil.rmtree(self.folder)

    def _start(self) -> Desk:
        return desk_on(self._tiny, self.folder / "journal.db", checkpoint=self._checkpoint, **self._options)

    def _checkpoint(self, _step: str) -> None:
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise Killed

    def _run(self, job: Coroutine[Any, Any, Any], faults: list[tuple[str, str]], kill_after: int | None) -> None:
        """Run one piece of work; it may fail with one of our errors, or the process may die in it."""
        self._tiny.faults, self.steps_left = list(faults), kill_after
        try:
            asyncio.run(job)
        except PairityError:
            pass
        except Killed:
            self.desk.journal.close()
            self.desk = self._start()
        self.steps_left = None

    @invariant()
    def nothing_is_on_the_venue_that_was_not_intended(self) -> None:
        for order in self._tiny.orders:
            if order["clOrdId"].startswith("pairity"):
                assert self.desk.journal.intent(order["clOrdId"]) is not None
