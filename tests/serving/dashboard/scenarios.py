"""States that the page must draw honestly, each as what differs from the healthy case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.serving.dashboard.scenario_data import book_position, iso, losing_position, pair_position
from tests.serving.dashboard.scenario_standing import waiting

Change = Callable[[dict, datetime], None]


@dataclass(frozen=True)
class Scenario:
    """What the server says in one state: changes of the status, positions, whether anything was ever traded."""

    change: Change = field(default=lambda status, now: None)
    positions: Callable[[datetime], list[dict]] = lambda now: [pair_position(now), losing_position(now)]
    traded: bool = True
    unknown_order: bool = False


def _merge(**parts: object) -> Change:
    def change(status: dict, now: datetime) -> None:
        for name, value in parts.items():
            found = value(now) if callable(value) else value
            status[name] = {**status[name], **found} if isinstance(found, dict) and status.get(name) else found

    return change


def _starting(status: dict, now: datetime) -> None:
    nothing = {"last_at": None, "next_at": None, "action": None, "reason": None, "event_timestamp": None}
    status.update(state="starting", started_at=iso(now - timedelta(seconds=6)), problems=[])
    status["decision"].update(nothing)
    status["data"] = dict.fromkeys(status["data"]) | {
        "fresh": False,
        "stale_after_s": 4_200.0,
        "reason": "loading the model",
    }
    status["venue_link"] = {"reachable": None, "watched_at": None, "age_s": None, "stream": None, "clock_skew_s": None}
    status["account"] = dict.fromkeys(status["account"])
    status["model"] = dict.fromkeys(status["model"]) | {"gate": "unknown", "gate_reason": "no model is loaded"}
    status["counts"].update(positions=0, resting_orders=0)


def _undecided(status: dict, now: datetime) -> None:
    """As the process says it in its first hour: loaded, looking, and waiting for the first bar to close."""
    nothing = {"last_at": None, "action": None, "reason": None, "event_timestamp": None}
    status.update(started_at=iso(now - timedelta(minutes=20)), trading_since=iso(now - timedelta(minutes=20)))
    status["decision"].update(nothing)
    unread = {"event_timestamp": None, "age_s": None, "fresh": False, "reason": "nothing was decided yet"}
    status["data"].update(unread)


def _never_decided(status: dict, now: datetime) -> None:
    _undecided(status, now)
    status["started_at"] = iso(now - timedelta(hours=3))


def _many(now: datetime) -> list[dict]:
    found = []
    for number in range(7):
        position = pair_position(now, ("confirmed", "unconfirmed", "missing")[number % 3])
        found.append(position | {"position_id": f"{position['position_id']}{number}"})
    return found


def _suspended(status: dict, now: datetime) -> None:
    status["blocked"] = {"AVAX-USDT-SWAP": "AVAX-USDT-SWAP does not trade: suspend"}


def _stale(status: dict, now: datetime) -> None:
    old = now - timedelta(hours=3, minutes=12)
    reason = "no bar since 3 h 12 min: the source of candles does not answer"
    status["data"].update(fresh=False, age_s=11_520.0, event_timestamp=iso(old), reason=reason)
    status["problems"] = [reason]
    status["counts"]["problems"] = 1


def _unreachable(status: dict, now: datetime) -> None:
    status.update(trading="guarding", trading_reason="the venue does not answer")
    status["causes"] = {"venue": "no answer since 96 s (timeout)"}
    seen = {"reachable": False, "watched_at": iso(now - timedelta(seconds=96)), "age_s": 96.0}
    status["venue_link"].update(seen, stream={"state": "closed", "why": "connection reset"})
    status["account"]["as_of"] = iso(now - timedelta(seconds=96))


def _unusable(status: dict, now: datetime) -> None:
    status.update(trading="guarding", trading_reason="the champion cannot be used")
    status["causes"] = {"model": "version 14 cannot be used: its files do not have the digest of the registry"}
    status["model"].update(gate="failed", gate_reason="digest of the files differs from the registry")


def _reason(trading: str, why: str, causes: dict[str, str]) -> Change:
    def change(status: dict, now: datetime) -> None:
        status.update(trading=trading, trading_reason=why, causes=causes, trading_since=iso(now - timedelta(minutes=8)))

    return change


def _guarded_twice(status: dict, now: datetime) -> None:
    """As the process says it: the state's reason is its first cause, and a problem is the reason of the second."""
    doubt = "the list of positions shows 0 contracts of SOL-USDT-SWAP, and by its executions it has 8"
    causes = {"person": "maintenance", "doubt": doubt}
    status.update(trading="guarding", trading_reason="person: maintenance", causes=causes, problems=[doubt])


def _hostile(status: dict, now: datetime) -> None:
    text = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    status.update(trading="guarding", trading_reason=text, causes={text: text}, market=text, problems=[text])
    status["decision"]["reason"] = text
    status["model"]["gate_reason"] = text


def _nothing_known(status: dict, now: datetime) -> None:
    for part in ("decision", "data", "venue_link", "account", "model"):
        status[part] = dict.fromkeys(status[part])
    status["model"]["gate"] = "unknown"
    status.update(trading_since=None, started_at=None)


def _without_figures(now: datetime) -> list[dict]:
    position = pair_position(now, "missing")
    for leg in position["legs"]:
        leg.update(coins=None, mark_price=None, marked_at=None, result_usdt=None)
        for level in ("stop", "target"):
            leg[level] = {"price": None, "confirmed_at": None, "state": "missing"}
    position["result"] = dict.fromkeys(position["result"])
    names = ("hedge_ratio", "z_entry", "z_now", "stop_level", "now_level", "target_level", "probability_entry")
    return [position | dict.fromkeys((*names, "decision_id"))]


SCENARIOS = {
    "waiting": Scenario(),
    "starting": Scenario(change=_starting, positions=lambda now: [], traded=False),
    "undecided": Scenario(change=_undecided, positions=lambda now: [], traded=False),
    "never_decided": Scenario(change=_never_decided, positions=lambda now: [], traded=False),
    "many": Scenario(positions=_many),
    "suspended": Scenario(change=_suspended),
    "deciding": Scenario(change=_merge(state="deciding")),
    "stopped": Scenario(change=_merge(state="stopped")),
    "stale": Scenario(change=_stale),
    "unreachable": Scenario(change=_unreachable),
    "unknown": Scenario(
        change=_reason("guarding", "an order's outcome is unknown", {"orders": "1 order without an answer"}),
        positions=lambda now: [pair_position(now, "unconfirmed")],
        unknown_order=True,
    ),
    "unprotected": Scenario(positions=lambda now: [pair_position(now, "missing")]),
    "guarded_twice": Scenario(change=_guarded_twice),
    "guarded": Scenario(change=_reason("guarding", "asked by a person: maintenance", {"person": "maintenance"})),
    "halted": Scenario(change=_reason("halted", "daily loss 312 USDT above 300", {"limits": "daily loss"})),
    "unusable": Scenario(change=_unusable),
    "no_trades": Scenario(
        change=_merge(
            counts={"positions": 0, "unacknowledged": 0},
            account={"open_result_usdt": 0.0, "today_usdt": 0.0, "today_fraction": 0.0, "drawdown_fraction": 0.0},
            challenger=None,
        ),
        positions=lambda now: [],
        traded=False,
    ),
    "live": Scenario(change=_merge(mode="live", market="okx", synthetic=False)),
    "demo": Scenario(change=_merge(mode="demo", market="okx demo", synthetic=False)),
    "read_only": Scenario(change=_merge(can_act=False)),
    "hostile": Scenario(change=_hostile),
    "nothing_known": Scenario(change=_nothing_known, positions=_without_figures),
    "books": Scenario(positions=lambda now: [book_position(now)]),
}  # fmt: skip


def status_of(scenario: Scenario, now: datetime) -> dict:
    status = waiting(now)
    scenario.change(status, now)
    status["counts"]["positions"] = len(scenario.positions(now))
    return status
