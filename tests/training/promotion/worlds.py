"""Worlds for the gate: made-up hourly returns of a model and its nulls, brought before the real gate and ledger."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pairity.evaluation_settings import GateSettings
from pairity.settings import Settings
from tests.training.trials.runs import HOUR, NOW, START, closes_of
from training.backtest.comparison import Contender
from training.backtest.performance import KEYS
from training.backtest.records import BacktestResult
from training.contenders import RULE
from training.data.splits import Split
from training.evaluation.drift import ScoreDrift
from training.promotion.backtested import Backtested
from training.promotion.evidence import ChampionResult
from training.promotion.judging import Case, judge
from training.trials.ledger import TrialLedger
from training.trials.records import Run
from training.trials.run import Market

FAMILY = "pair_forest"


def make_contender(key, returns, first, trades=100):
    equity = 1000.0 * np.cumprod(1.0 + returns)
    times = pl.Series([first + hour * HOUR for hour in range(len(returns))], dtype=pl.Datetime("us", "UTC"))
    empty = pl.DataFrame()
    result = BacktestResult(
        initial_equity=1000.0,
        trades=empty,
        equity=pl.DataFrame({"time": times, "equity": equity}),
        decisions=empty,
        unfilled_entries=0,
        funding_unknown_hours=0,
    )
    metrics = dict.fromkeys(KEYS) | {"net_return": equity[-1] / 1000.0 - 1.0, "trades": trades}
    return Contender(key, key, result, metrics)


def make_backtested(returns, nulls, first):
    contenders = [make_contender("model", returns, first)]
    contenders += [
        make_contender(key, own[: len(returns)], first)
        for key, own in zip(("baseline", RULE, "btc"), nulls, strict=True)
    ]
    return Backtested(
        contenders=contenders,
        champion=ChampionResult(None, "there is no champion yet"),
        arena=None,
        scored=pl.DataFrame(),
        bars=pl.DataFrame(),
        notes=[],
    )


@dataclass
class Court:
    """A ledger with a market of `hours`, before which models are brought."""

    folder: object
    hours: int
    gate: GateSettings

    def __post_init__(self):
        self.settings = Settings(home=self.folder, trials={"folder": self.folder / "trials"}, gate=self.gate)
        self.ledger = TrialLedger.of(self.settings)
        self.market = Market(self.settings, closes_of(START, self.hours), "data")
        self.looks = []

    def record(self, table, name="other"):
        """Write the columns of hours × trials into the ledger."""
        runs = [
            Run(
                line=f"{name}{column}",
                name=name,
                data="data",
                first=START,
                returns=table[:, column],
                closes=self.market.closes,
            )
            for column in range(table.shape[1])
        ]
        return self.ledger.record(runs, "leaderboard", NOW)

    def judge(self, returns, nulls, walked, first=START, data="data", reason=None, lacks=""):
        """Bring a model before the gate: `walked` hours before the last look, the rest in it."""
        market = Market(self.settings, self.market.closes, data)
        book = self.ledger.record([market.make_run(FAMILY, first, returns[:walked])], "training", NOW)
        empty = pl.DataFrame()
        case = Case(
            settings=self.settings,
            market=market,
            book=book,
            walked=make_backtested(returns[:walked], nulls, first),
            kept_back=Split(first + walked * HOUR, empty, empty, 0, 1),
            last=first + (len(returns) - 1) * HOUR,
            parity=(None, "nothing was decided on live yet"),
            drift=ScoreDrift(0.01, 0.05),
            reason=reason,
            lacks=lacks,
        )

        def look_on():
            self.looks.append(self.ledger.read().looks)
            return make_backtested(returns, nulls, first)

        return judge(case, look_on)
