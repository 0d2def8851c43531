"""The columns of the matrix: what the trading process is doing when something befalls it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fault_matrix.situations import Situation


@dataclass(frozen=True)
class Operation:
    """A column: the endpoint that faults strike, and whether a position is open before."""

    name: str
    path: str
    open_before: bool
    meaning: str

    @property
    def reads(self) -> bool:
        """Whether the endpoint reads."""
        return self.path.startswith("GET")

    def fits(self, situation: Situation) -> bool:
        """Return whether the situation makes sense here."""
        if self.name == "feed" and situation.kind != "fault":
            return False
        if situation.operations:
            return self.name in situation.operations
        if situation.kind == "fault" and not situation.everywhere:
            return situation.reads if self.reads else situation.writes
        return True


OPERATIONS = (
    Operation("entry", "POST trade/order", False, "an entry is sent"),
    Operation("query", "GET trade/order", False, "the outcome of an entry is asked for"),
    Operation("cancel", "POST trade/cancel-algos", True, "the stop of a closed position is cancelled"),
    Operation("exit", "POST trade/order", True, "an exit is sent"),
    Operation("protect", "POST trade/order-algo", True, "a stop that a person cancelled is placed again"),
    Operation("watch", "GET account/positions", True, "the positions are read between decisions"),
)
FEED = Operation("feed", "GET market/history-candles", False, "the hour's bars are read by the pipeline")
