"""The life that is killed: phases, each of which is one process from its start to its orderly end.

Before a phase something may happen that no process of ours did (`scene`): a stop is cancelled by hand, a leg is closed
by hand, a person asks for a halt, prices move. `steps` are what the process then does, at instants of the venue's clock
that are fixed: a process that comes back goes on with those that are not over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pairity.layout import Layout
from serving.control.queue import Request, RequestQueue
from serving.journal.event_records import Wish
from tests.e2e.crash_matrix.exchange import START, Script
from tests.e2e.crash_matrix.venue_look import control, get, post

LAG = timedelta(seconds=30)
FIRST, SECOND = ("BTC", "ETH"), ("SOL", "XRP")
Pair = tuple[str, str]
Scene = Callable[[str, Path], None]


class Decide(NamedTuple):
    """A decision on the bar that closes at `hour`: which pairs' positions are closed, which are opened."""

    hour: int
    closes: tuple[Pair, ...] = ()
    opens: tuple[Pair, ...] = ()

    @property
    def close(self) -> datetime:
        """The close of the bar."""
        return START + timedelta(hours=self.hour)


class Watch(NamedTuple):
    """Looks of the watch, `seconds` after an hour."""

    hour: int
    seconds: tuple[int, ...]

    @property
    def instants(self) -> tuple[datetime, ...]:
        """When it looks."""
        return tuple(START + timedelta(hours=self.hour, seconds=second) for second in self.seconds)


@dataclass(frozen=True)
class Phase:
    """One phase. `sure` says that its end does not depend on when the process was killed.

    `naked` says that the scene takes a stop away: until the process has looked, a position may have none. `events` are
    a script of the exchange: what it refuses. `legs` leaves a phase out for other kinds.
    """

    name: str
    steps: tuple[Decide | Watch, ...]
    scene: Scene | None = None
    events: Script = ()
    legs: tuple[str, ...] = ("base", "both", "isolated")
    killed: bool = True
    sure: bool = True
    naked: bool = False


def cancel_a_stop(url: str, _home: Path) -> None:
    """Cancel one stop by hand."""
    row = get(url, "trade/orders-algo-pending", ordType="oco")[0]
    post(url, "trade/cancel-algos", [{"instId": row["instId"], "algoId": row["algoId"]}])


def close_a_leg(url: str, _home: Path) -> None:
    """Close one position by hand, of two legs the first one, and step on so that it is over."""
    row = sorted(get(url, "account/positions"), key=lambda item: str(item["instId"]))[0]
    side = "sell" if float(row["pos"]) > 0 else "buy"
    order = {"instId": row["instId"], "tdMode": row["mgnMode"], "side": side, "ordType": "market", "reduceOnly": True}
    post(url, "trade/order", {**order, "sz": row["pos"].lstrip("-")})
    control(url, "advance", {"by_ms": 1000})


def wait_for_a_stop(url: str, _home: Path) -> None:
    """Let hours pass until one stop or target was triggered."""
    before = len(get(url, "account/positions"))
    for _ in range(30 * 24):
        control(url, "advance", {"by_ms": 3_600_000})
        if len(get(url, "account/positions")) < before:
            return
    raise AssertionError("no stop was triggered within a month")


def ask_to(wish: Wish) -> Scene:
    """Return the scene in which a person asks for a halt, a flat account, or to go on."""

    def scene(_url: str, home: Path) -> None:
        RequestQueue(Layout(home)).put(Request(wish=wish, at=START, reason="a drill"))

    return scene


REFUSE_THE_SECOND_LEG: Script = (
    {
        "after_requests": 1,
        "path": "POST trade/order",
        "fault": "code",
        "count": 3,
        "params": {"code": "51008", "msg": "Insufficient margin", "http_status": 200},
    },
)

PHASES = (
    Phase("entry", (Decide(1, opens=(FIRST,)),)),
    Phase("watch", (Watch(1, (60, 75)),)),
    Phase("lost stop", (Watch(1, (120, 135)),), scene=cancel_a_stop, naked=True),
    Phase("switch", (Decide(2, closes=(FIRST,), opens=(SECOND,)),)),
    Phase("exit", (Decide(3, closes=(SECOND,)),)),
    Phase("opened again", (Decide(4, opens=(FIRST,)),), killed=False),
    Phase("closed by hand", (Watch(4, (120, 135)),), scene=close_a_leg),
    Phase("opened once more", (Decide(5, opens=(SECOND,)),), killed=False),
    Phase("halt and flatten", (Watch(5, (120, 135)),), scene=ask_to(Wish.FLATTEN)),
    Phase("resume", (Watch(5, (180, 195)),), scene=ask_to(Wish.RESUME)),
    Phase(
        "broken entry",
        (Decide(6, opens=(FIRST,)),),
        events=REFUSE_THE_SECOND_LEG,
        legs=("both", "isolated"),
        sure=False,
    ),
    Phase("opened at last", (Decide(7, opens=(SECOND,)),), killed=False),
    Phase("stopped out", (), scene=wait_for_a_stop),
)
"""The phases in their order; each begins where the undisturbed one before it ended."""
