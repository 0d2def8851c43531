"""Plan of a replay, and the settings that it runs with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from pairity.alert_settings import AlertSettings
from pairity.settings import ExchangeSettings, Settings
from pairity.timeline import HOUR, ceil_to, floor_to
from pairity.trading_settings import LimitSettings
from pairity_cli.demo.exchange import DemoExchange

Features = Literal["store", "live"]
VENUE_TAKER_BPS = 5.0
"""Fee of the paper exchange for taking, in basis points of notional."""
OUT_OF_THE_WAY = 0.95
"""Distance of the stops of a book's names: its backtest knows none."""
_KEY = SecretStr("paper")
_NEVER = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What is replayed: the bars of `data` that close from `since` to `until`, both included, in `home`.

    `model` is a registered version, its number or an alias; `rule` a rule in its place. `features` says whether they
    are computed hour by hour or once.
    """

    data: Path
    since: datetime
    until: datetime
    home: Path
    features: Features
    model: str
    rule: str | None
    balance: Decimal
    again: bool = False
    """Whether the features of an earlier replay of the same hours are used."""
    retrain_days: int | None = None
    """Days between two trainings; None: `model` or `rule` decides from beginning to end."""
    promotes_refused: bool = False
    """Whether a trained version is promoted that the gate refuses."""
    history_days: int = 0
    """Days before the first decision from which there are features, at least."""
    script: Path | None = None
    """Script of faults and venue events while trading."""
    book: str | None = None
    """Family of books that is traded in place of pairs; `rule` decides nothing then."""
    by_version: bool = False
    """Whether `model` is a version of the book, with what it learnt; without it the family's name is all."""
    interval: timedelta = HOUR
    """Time between two bars that the process takes in; more than an hour is for books alone."""
    restarts: tuple[datetime, ...] = ()
    """Instants at which the trading process is killed and started again."""
    rechecks: tuple[datetime, ...] = ()
    """Instants at which it ends, everything is collected once more, and it is started again."""

    @property
    def cycles(self) -> int:
        """Bars that the process takes in."""
        return self.count_cycles(self.starts_at, self.until)

    def count_cycles(self, after: datetime, until: datetime) -> int:
        """Return the number of bars of the replay that close later than `after`, up to `until`."""
        first = max(ceil_to(self.since, self.interval), floor_to(after, self.interval) + self.interval)
        return max((min(until, self.until) - first) // self.interval + 1, 0)

    @property
    def starts_at(self) -> datetime:
        """Instant at which the exchange's clock begins: before the first close, so that it is the next one."""
        return self.since - timedelta(minutes=1)

    @classmethod
    def whole_hours(cls, since: datetime, until: datetime) -> tuple[datetime, datetime]:
        """Return the closes of whole hours inside the range."""
        first = floor_to(since, HOUR)
        return first if first == since else first + HOUR, floor_to(until, HOUR)


def make_replay_settings(settings: Settings, plan: ReplayPlan, exchange: DemoExchange) -> Settings:
    """Return a person's settings with everything of the replay's own: directory, exchange, account, nobody to tell.

    Limits of risk are lifted, because a backtest knows none; fees and fills are the paper exchange's.
    """
    lifted = LimitSettings(
        gross_leverage=_NEVER,
        day_loss=1.0,
        drawdown=1.0,
        margin_ratio=1.0 + 1.0 / _NEVER,
        orders_per_hour=10**9,
        rejects_per_hour=10**9,
        drift=1.0 - 1.0 / _NEVER,
        price_deviation=_NEVER,
        funding_rate=_NEVER,
    )
    serve = {"port": 0, "shadow": False, "retrain": False, "lease": False, "status_token": None, "control_token": None}
    costs = {
        "taker_fee_bps": VENUE_TAKER_BPS,
        "fill_model": "next_open_taker",
        "initial_equity_usdt": float(plan.balance),
    }
    return settings.model_copy(
        update={
            "home": plan.home,
            "profile": "embedded",  # a replay has a journal and stores of its own, on this machine
            "exchange": ExchangeSettings(
                url=exchange.url,
                control_url=exchange.control_url,
                api_key=_KEY,
                api_secret=_KEY,
                api_passphrase=_KEY,
                rate_limit=False,
                timeout_s=60.0,
                max_retries=settings.exchange.max_retries,
            ),
            "serve": settings.serve.model_copy(update=serve),
            "limits": lifted,
            "parity": settings.parity.model_copy(update={"daily": False}),
            "alerts": AlertSettings(),
            "logs": settings.logs.model_copy(update={"level": "warning"}),
            "trials": settings.trials.model_copy(update={"folder": plan.home / "trials"}),
            "costs": settings.costs.model_copy(update=costs),
            "strategy": settings.strategy.model_copy(update={"entry_order": "market", "book": plan.book}),
            "books": settings.books.model_copy(update={"disaster_stop": OUT_OF_THE_WAY}),
        }
    )
