"""The promotion gate: what a model must show, out of sample and net of costs, before it may trade.

The rules are written down here and nowhere else. Every check states the actual value and the value it needed. The
verdict is stored with the version whether it passed or not.

- `net`: its out-of-sample net return is above `gate.net_return_min`;
- `better`: it is not below the champion's on the same hours, where the champion has not seen them;
- `baseline`: it is above the single-pair baseline's on the same hours;
- `trades`: at least `gate.trades_min` positions were closed: fewer prove nothing;
- `deflated_sharpe`: the probability that its Sharpe ratio is above what the best of all trials would show by luck is at
  least `gate.deflated_sharpe_min`;
- `superior`: among all trials over the same hours, it is shown to earn more than nothing (`gate.superior_p_max`);
- `parity`: no value that was decided on live differs from the offline store;
- `drift`: its scores out of sample come from the population of its training (PSI at most `gate.psi_max`).

A check that could not be made has failed, except `better` and `parity`, which have nothing to compare with before the
first promotion and the first trade.
"""

from __future__ import annotations

from dataclasses import dataclass

from model_registry.records import Check, Verdict
from pairity.evaluation_settings import GateSettings
from training.evaluation.trial_clusters import TrialCount


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence for the gate. Returns are fractions of initial equity, net of costs, all over the same hours.

    None means not known. Where a comparison with the champion would not be fair, `champion_net` is None and
    `champion_note` says why.
    """

    net: float | None
    trades: int
    baseline_net: float | None
    champion_net: float | None
    champion_note: str
    deflated_sharpe: float | None
    trials: TrialCount
    superior: float | None
    """Adjusted p-value of the model among all trials over the same hours (Romano & Wolf)."""
    superior_best: float | None
    """p-value of the best of them (Hansen)."""
    parity_mismatches: int | None
    parity_note: str
    psi: float | None


def apply_gate(evidence: Evidence, settings: GateSettings) -> Verdict:
    """Return the gate's verdict on one challenger."""
    e = evidence
    return Verdict(
        (
            _check_above("net", e.net, settings.net_return_min),
            _check_better(e),
            _check_above("baseline", e.net, e.baseline_net),
            Check("trades", e.trades >= settings.trades_min, f"{e.trades} closed", f"at least {settings.trades_min}"),
            Check(
                "deflated_sharpe",
                e.deflated_sharpe is not None and e.deflated_sharpe >= settings.deflated_sharpe_min,
                f"{_format_number(e.deflated_sharpe)} over {e.trials}",
                f"at least {settings.deflated_sharpe_min:g}",
            ),
            Check(
                "superior",
                e.superior is not None and e.superior <= settings.superior_p_max,
                f"p {_format_number(e.superior)} of its own, {_format_number(e.superior_best)} of the best trial",
                f"at most {settings.superior_p_max:g} of its own",
            ),
            # `not` lets None pass: before the first live decision there is nothing to compare
            Check("parity", not e.parity_mismatches, e.parity_note, "no value that differs"),
            Check(
                "drift",
                e.psi is not None and e.psi <= settings.psi_max,
                f"PSI {_format_number(e.psi)} of the scores",
                f"at most {settings.psi_max:g}",
            ),
        )
    )


def _check_above(name: str, net: float | None, limit: float | None) -> Check:
    needed = "a baseline to compare with" if limit is None else f"above {_format_share(limit)}"
    passed = net is not None and limit is not None and net > limit
    return Check(name, passed, f"net return {_format_share(net)}", needed)


def _check_better(e: Evidence) -> Check:
    if e.champion_net is None:
        return Check("better", True, e.champion_note, "not below the champion's, where there is one")
    passed = e.net is not None and e.net >= e.champion_net
    needed = f"not below the champion's {_format_share(e.champion_net)}"
    return Check("better", passed, f"net return {_format_share(e.net)}", needed)


def _format_number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _format_share(value: float | None) -> str:
    return "not known" if value is None else f"{value:+.2%}"
