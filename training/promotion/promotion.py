"""From a verdict to a decision: may the new model trade?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from model_registry.records import ON_TRIAL, PARITY_CHECK, ModelRef, Verdict
from model_registry.registry import promote, record_verdict
from pairity.errors import SignatureError
from pairity.settings import Settings
from training.promotion.evidence import find_current_champion
from training.promotion.gate import list_failed


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """Outcome of the gate: the verdict, whether the challenger is champion now, and why."""

    verdict: Verdict
    promoted: bool
    reason: str
    trial: str | None = None
    """What a champion on trial has shown, and where it may trade; None for one that is not on trial."""


def decide_promotion(settings: Settings, model: ModelRef, verdict: Verdict, now: datetime) -> GateOutcome:
    """Record the verdict on a registered challenger, and promote the challenger if it passed.

    Where there is no champion yet, the first model is promoted on trial whatever the verdict: it may trade on demo
    where its backtest closed trades, else on a paper exchange alone. Only a parity mismatch keeps it back too. Real
    money is refused to a champion that did not pass. Beside a champion that is not signed nothing is promoted: the
    comparison with it would prove nothing, and somebody has to look at it.
    """
    record_verdict(settings, model.version, verdict)  # first: no champion is ever without the verdict on it
    try:
        is_first = find_current_champion(settings) is None
    except SignatureError as error:
        return GateOutcome(verdict, False, f"nothing is promoted: {error.what}")
    # What decides on other values than it was trained on is not even on trial
    if not verdict.passed and (not is_first or list_failed(verdict, (PARITY_CHECK,))):
        return GateOutcome(verdict, False, verdict.reason)
    reason = verdict.reason if verdict.passed else f"{ON_TRIAL}: {verdict.reason}"
    champion = promote(settings, model.version, reason, now)
    return GateOutcome(verdict, True, reason, champion.explain_trial())
