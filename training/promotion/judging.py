"""From backtests to a verdict: the hours before the last look first, and the last look only where these deserve it.

The look is written down before it is taken. Over hours that anybody has looked at already (the gate, a leaderboard, a
backtest, from whatever data directory) it is refused, unless somebody says in writing why they may be judged again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from model_registry.records import Verdict
from pairity.number_formats import format_against, format_count
from pairity.settings import Settings
from pairity.timeline import HOUR
from training.backtest.comparison import Contender
from training.backtest.performance import compute_hourly_returns
from training.data.splits import Split
from training.evaluation.drift import ScoreDrift
from training.promotion.backtested import Backtested
from training.promotion.evidence import collect_evidence
from training.promotion.gate import BEFORE_LOOK, Look, apply_gate, list_failed
from training.trials.book import TrialBook
from training.trials.ledger import TrialLedger
from training.trials.records import LookRecord
from training.trials.run import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the gate is asked about. `walked`: the hours before the last look; `kept_back`: the split of the look."""

    settings: Settings
    market: Market
    book: TrialBook
    """All trials, this one over the hours before the look among them."""
    walked: Backtested
    kept_back: Split
    last: datetime
    """Bar close of the last hour that is kept back."""
    parity: tuple[int | None, str]
    drift: ScoreDrift
    reason: str | None
    """Why hours that were looked at may be judged again; None: they may not."""
    trial: str | None = None
    """What the ledger of trials calls what is judged; None: by its family."""
    lacks: str = ""
    """What is not stored of the hours that are kept back: they are not looked at before it is."""

    @property
    def line_name(self) -> str:
        """What the ledger of trials calls what is judged."""
        return self.settings.model.family if self.trial is None else self.trial


@dataclass(frozen=True, slots=True)
class Judgement:
    """The gate's verdict, and the backtest that it is about: with the kept-back hours where they were looked at."""

    verdict: Verdict
    judged: Backtested
    looked: bool


def judge(case: Case, look_on: Callable[[], Backtested]) -> Judgement:
    """Apply the gate; `look_on` trains, scores and trades the kept-back hours too, and is called at most once."""
    first, last, closes = case.kept_back.test_start, case.last, case.market.closes
    hours = f"{format_count((last - first) // HOUR + 1, 'hour')} from {first:%Y-%m-%d %H:%M} UTC"
    before = _apply(case, case.walked, case.book, Look(None, f"{hours} are kept back"))
    if failed := list_failed(before, BEFORE_LOOK):
        note = f"{hours} stay unseen: {', '.join(failed)} failed before them"
        return Judgement(_apply(case, case.walked, case.book, Look(None, note)), case.walked, looked=False)
    if case.lacks:
        note = f"{hours} stay unseen, they are not complete: {case.lacks}"
        return Judgement(_apply(case, case.walked, case.book, Look(None, note)), case.walked, looked=False)
    in_look = {day: close for day, close in closes.items() if first <= _midnight(day) <= last}
    seen = case.book.find_look(first, last, in_look)
    if seen is not None and not case.reason:
        note = f"{hours} are not untouched: {seen}; judging them again needs --reason"
        return Judgement(_apply(case, case.walked, case.book, Look(None, note)), case.walked, looked=False)
    started = case.walked.contenders[0].result.equity["time"][0]
    number = 1 + len(case.book.list_looks(started, last, closes))
    at, reason = datetime.now(UTC), case.reason if seen is not None and case.reason else ""
    ledger = TrialLedger.of(case.settings)
    line = case.market.identify(case.line_name)
    ledger.record_look(LookRecord(line=line, at=at, first=first, last=last, closes=in_look, reason=reason))
    judged = look_on()
    model = judged.contenders[0]
    run = case.market.make_run(case.line_name, model.result.equity["time"][0], compute_hourly_returns(model.result))
    book = ledger.record([run], "training", at)
    net = _measure_net(model, first)
    least = case.settings.gate.net_return_min
    said = f"{net:+.2%}" if net == least else format_against(net, least, percent=True, signed=True)
    note = f"net return {said} over {hours}, looked at {at:%Y-%m-%d %H:%M} UTC"
    note += f", again because: {reason}" if reason else ""
    return Judgement(_apply(case, judged, book, Look(net, note, number)), judged, looked=True)


def _apply(case: Case, backtested: Backtested, book: TrialBook, look: Look) -> Verdict:
    evidence = collect_evidence(
        backtested.contenders, backtested.champion, book, look, parity=case.parity, drift=case.drift
    )
    return apply_gate(evidence, case.settings.gate)


def _measure_net(model: Contender, first: datetime) -> float:
    """Return the change of equity from before `first` to the end."""
    equity = model.result.equity
    before = equity.filter(equity["time"] < first)["equity"]
    start = float(before[-1]) if len(before) else model.result.initial_equity
    return float(equity["equity"][-1]) / start - 1.0


def _midnight(day: int) -> datetime:
    return datetime.fromtimestamp(day * 86_400, UTC)
