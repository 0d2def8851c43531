"""The promotion gate: what a model must show, out of sample and net of costs, before it may trade.

The rules are written down here and nowhere else. Every check states the actual value and the value it needed. The
verdict is stored with the version whether it passed or not.

- `net`: its out-of-sample net return is above `gate.net_return_min`;
- `better`: its Sharpe ratio is not below the champion's on the hours that the champion has not seen;
- `baseline`: its Sharpe ratio is above the single-pair baseline's with a probability of at least `gate.ahead_min`;
- `nulls`: the same of the rule that learns nothing, and of holding one coin;
- `trades`: at least `gate.trades_min` positions were closed: fewer prove nothing;
- `deflated_sharpe`: the probability that its Sharpe ratio is above what the best of all trials would show by luck is at
  least `gate.deflated_sharpe_min`;
- `superior`: among all trials over the same hours, it is shown to earn more than nothing (`gate.superior_p_max`);
- `last_look`: over the hours that were kept back, and that nobody had looked at, its net return is above the minimum;
- `parity`: no value that was decided on live differs from the offline store, or later checks found all identical;
- `drift`: its scores of the test are no further from what is said of its training rows out of sample than stretches of
  the training are from each other in 19 cases of 20 (`evaluation.drift`); not known, so failed, where the training is
  too short for purged folds.

A check that could not be made has failed, except `better` and `parity`, which have nothing to compare with before the
first promotion and the first trade.

Looking again and again would let luck through: at the second look at the same hours the room for error of
`deflated_sharpe` and `superior` is a quarter, at the third a ninth, so that all looks together have little more than
that of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from model_registry.records import PARITY_CHECK, TRADES_CHECK, Check, Verdict
from pairity.annualising import may_annualise
from pairity.evaluation_settings import GateSettings
from pairity.number_formats import format_against, format_fixed, format_plain
from pairity.timeline import HOUR
from training.evaluation.drift import ScoreDrift
from training.evaluation.sharpe import SharpeLead, annualise
from training.evaluation.trial_clusters import TrialCount

BEFORE_LOOK = ("net", "better", "trades", PARITY_CHECK, "drift")
"""Checks that must hold over the hours before those that are kept back; otherwise these are not looked at."""


@dataclass(frozen=True, slots=True)
class Look:
    """The look at the hours that were kept back. `net`: net return over them; None where they were not looked at."""

    net: float | None
    note: str
    """When it was taken, at which hours, and why again; or why it was not taken."""
    number: int = 1
    """1 for the first look at any of the hours that are judged, 2 for the second, …"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence for the gate. Returns are fractions of initial equity, net of costs, all over the same hours.

    None means not known. Where a comparison with the champion would not be fair, `champion` is None and `champion_note`
    says why. `nulls`: name → lead over it.
    """

    net: float | None
    trades: int
    baseline: SharpeLead | None
    nulls: Mapping[str, SharpeLead]
    champion: SharpeLead | None
    champion_note: str
    deflated_sharpe: float | None
    trials: TrialCount
    superior: float | None
    """Adjusted p-value of the model among all trials over the same hours (Romano & Wolf)."""
    superior_best: float | None
    """p-value of the best of them (Hansen)."""
    look: Look
    parity_mismatches: int | None
    parity_note: str
    drift: ScoreDrift


def apply_gate(evidence: Evidence, settings: GateSettings) -> Verdict:
    """Return the gate's verdict on one challenger."""
    e, drift, room = evidence, evidence.drift, 1.0 / evidence.look.number**2
    # 0 and 1 ask for nothing, at whatever look
    asks_sharpe, asks_superior = settings.deflated_sharpe_min > 0, settings.superior_p_max < 1
    needed = 1.0 - (1.0 - settings.deflated_sharpe_min) * room if asks_sharpe else 0.0
    p_max = settings.superior_p_max * room if asks_superior else 1.0
    again = f" (look {e.look.number})" if e.look.number > 1 else ""
    return Verdict(
        (
            _check_net("net", e.net, settings, f"net return {_format_share(e.net, settings.net_return_min)}"),
            _check_better(e),
            _check_ahead("baseline", {} if e.baseline is None else {"the baseline": e.baseline}, settings),
            _check_ahead("nulls", e.nulls, settings),
            Check(
                TRADES_CHECK, e.trades >= settings.trades_min, f"{e.trades} closed", f"at least {settings.trades_min}"
            ),
            Check(
                "deflated_sharpe",
                not asks_sharpe or (e.deflated_sharpe is not None and e.deflated_sharpe >= needed),
                f"{_format_number(e.deflated_sharpe, needed)} over {e.trials}",
                f"at least {_format_limit(needed, e.deflated_sharpe)}{again}",
            ),
            Check(
                "superior",
                not asks_superior or (e.superior is not None and e.superior <= p_max),
                f"p {_format_number(e.superior, p_max)} of its own, "
                f"{_format_number(e.superior_best)} of the best trial",
                f"at most {_format_limit(p_max, e.superior)} of its own{again}",
            ),
            _check_net("last_look", e.look.net, settings, e.look.note),
            # `not` lets None pass: before the first live decision there is nothing to compare
            Check(PARITY_CHECK, not e.parity_mismatches, e.parity_note, "no value that differs"),
            Check(
                "drift",
                drift.beyond is False,
                f"PSI {_format_number(drift.psi, drift.limit)} of the scores",
                f"at most {_format_number(drift.limit, drift.psi)}, "
                "which stretches of the training rows reach by chance",
            ),
        )
    )


def list_failed(verdict: Verdict, names: tuple[str, ...]) -> list[str]:
    """Return which of the named checks failed."""
    return [check.name for check in verdict.checks if check.name in names and not check.passed]


def _check_net(name: str, net: float | None, settings: GateSettings, actual: str) -> Check:
    passed = net is not None and net > settings.net_return_min
    return Check(name, passed, actual, f"a net return above {_format_share(settings.net_return_min)}")


def _check_better(e: Evidence) -> Check:
    needed = "not below the champion's, where there is one"
    if e.champion is None:
        return Check("better", True, e.champion_note, needed)
    return Check("better", e.champion.value >= 0, f"{_format_lead(e.champion)} of {e.champion_note}", needed)


def _check_ahead(name: str, leads: Mapping[str, SharpeLead], settings: GateSettings) -> Check:
    needed = f"ahead with a probability of at least {format_plain(settings.ahead_min)}"
    if not leads:
        return Check(name, False, "nothing to compare with", needed)
    passed = all(lead.probability >= settings.ahead_min for lead in leads.values())
    said = [
        f"{_format_lead(lead)} of {null} (probability {format_against(lead.probability, settings.ahead_min)})"
        for null, lead in leads.items()
    ]
    return Check(name, passed, "; ".join(said), needed)


def _format_lead(lead: SharpeLead) -> str:
    """Say how far a ratio is ahead, with its standard error: for a year, or for an hour where a month was not seen."""
    if not may_annualise(lead.periods * HOUR):
        return f"Sharpe ratio {lead.value:+.3f} ± {lead.standard_error:.3f} an hour ahead"
    return f"Sharpe ratio {annualise(lead.value):+.2f} ± {annualise(lead.standard_error):.2f} ahead"


def _format_number(value: float | None, other: float | None = None) -> str:
    """Write a number, with as many digits as tell it from the one that it is compared with."""
    if value is None:
        return "not known"
    return format_fixed(value, 3) if other is None else format_against(value, other, 3)


def _format_limit(limit: float, value: float | None) -> str:
    """Write a limit with three digits, or with as many as tell it from what was found."""
    short = format_plain(limit, 3)
    if value is None or float(short) == limit:
        return short
    # A limit that is cut short may fall on the other side of the value, or upon it.
    is_same_side = (limit > value) == (float(short) > value) and float(short) != value
    return short if is_same_side or limit == value else format_against(limit, value, 3)


def _format_share(value: float | None, other: float | None = None) -> str:
    if value is None:
        return "not known"
    return (
        f"{value:+.2%}" if other is None or value == other else format_against(value, other, percent=True, signed=True)
    )
