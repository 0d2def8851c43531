"""The promotion gate: what a model must show, out of sample and net of costs, before it may trade.

Written down here and nowhere else. Every check says what was found and what was needed; the verdict is stored with the
version whether it passed or not.

- `net`: its out-of-sample net return is above `gate.net_return_min`;
- `better`: it is not below the champion's on the same hours, where the champion has not seen them;
- `baseline`: it is above the single-pair baseline's on the same hours;
- `trades`: at least `gate.trades_min` positions were closed: fewer prove nothing;
- `deflated_sharpe`: the probability that its Sharpe ratio is above what the best of all trials would show by luck is at
  least `gate.deflated_sharpe_min`;
- `parity`: no value that was decided on live differs from the offline store;
- `drift`: its scores out of sample come from the population of its training (PSI at most `gate.psi_max`).

A check that could not be made has failed, except `better` and `parity`, which have nothing to compare with before the
first promotion and the first trade.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pairity.settings import GateSettings


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gate looks at. Returns are fractions of initial equity, net of costs, over the same hours.

    None means not known; `champion_net` is None and `champion_told` says why where there is no fair comparison.
    """

    net: float | None
    trades: int
    baseline_net: float | None
    champion_net: float | None
    champion_told: str
    deflated_sharpe: float | None
    trials: int
    parity_mismatches: int | None
    parity_told: str
    psi: float | None


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the verdict."""

    name: str
    passed: bool
    found: str
    needed: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'FAIL'} {self.name}: {self.found} (needed: {self.needed})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks, in the order of the table above."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """One line: what failed, or that nothing did."""
        failed = [f"{check.name}: {check.found}, needed {check.needed}" for check in self.checks if not check.passed]
        return "; ".join(failed) if failed else f"passed all {len(self.checks)} checks of the gate"

    def to_json(self) -> str:
        """The checks as JSON, for a tag of the version."""
        return json.dumps([asdict(check) for check in self.checks], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """The verdict of `to_json`."""
        return cls(tuple(Check(**item) for item in json.loads(text)))


def judge(evidence: Evidence, settings: GateSettings) -> Verdict:
    """The verdict on one challenger."""
    e = evidence
    return Verdict(
        (
            _above("net", e.net, settings.net_return_min, "net return"),
            _better(e),
            _above("baseline", e.net, e.baseline_net, "net return"),
            Check("trades", e.trades >= settings.trades_min, f"{e.trades} closed", f"at least {settings.trades_min}"),
            Check(
                "deflated_sharpe",
                e.deflated_sharpe is not None and e.deflated_sharpe >= settings.deflated_sharpe_min,
                f"{_number(e.deflated_sharpe)} over {e.trials} trials",
                f"at least {settings.deflated_sharpe_min:g}",
            ),
            Check("parity", not e.parity_mismatches, e.parity_told, "no value that differs"),
            Check(
                "drift", e.psi is not None and e.psi <= settings.psi_max, f"PSI {_number(e.psi)} of the scores",
                f"at most {settings.psi_max:g}",
            ),
        )
    )  # fmt: skip


def _above(name: str, found: float | None, least: float | None, what: str) -> Check:
    needed = "a baseline to compare with" if least is None else f"above {_share(least)}"
    passed = found is not None and least is not None and found > least
    return Check(name, passed, f"{what} {_share(found)}", needed)


def _better(e: Evidence) -> Check:
    if e.champion_net is None:
        return Check("better", True, e.champion_told, "not below the champion's, where there is one")
    passed = e.net is not None and e.net >= e.champion_net
    return Check("better", passed, f"net return {_share(e.net)}", f"not below the champion's {_share(e.champion_net)}")


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:+.2%}"
