"""Champion beside challenger over the journalled decisions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from serving.journal.journal import Journal
from serving.journal.records import DecisionRecord, ShadowRecord
from serving.models.shadow import choice_of


@dataclass(frozen=True, slots=True)
class Beside:
    """One version in shadow of another, over the decisions that they shared."""

    champion: str
    challenger: str
    decisions: int
    """Decisions at which the challenger was scored; `failed` ones were not."""
    failed: int
    scores: int
    """Pairs over all these decisions that both gave a probability to."""
    correlation: float | None
    """Pearson's, of both probabilities over `scores`; None where one of them never varies, or fewer than 2 exist."""
    mean_difference: float | None
    """Mean of challenger − champion over `scores`; None without any."""
    other_choice: int
    """Decisions at which the best candidate would have been another pair, or one of them had none."""
    last_failure: str | None

    @property
    def other_share(self) -> float | None:
        """`other_choice` as a share of `decisions`; None without any."""
        return self.other_choice / self.decisions if self.decisions else None


def summarise(journal: Journal) -> list[Beside]:
    """One line per couple of versions, in the order in which they first met."""
    decisions = {record.decision_id: record for record in journal.decisions()}
    couples: dict[tuple[str, str], list[tuple[DecisionRecord, ShadowRecord]]] = {}
    for shadow in journal.models.shadows():
        record = decisions[shadow.decision_id]
        couples.setdefault((record.model_version, shadow.model_version), []).append((record, shadow))
    return [_beside(*versions, met) for versions, met in couples.items()]


def _beside(champion: str, challenger: str, met: Sequence[tuple[DecisionRecord, ShadowRecord]]) -> Beside:
    scored = [(record, shadow) for record, shadow in met if shadow.failure is None]
    failures = [shadow.failure for _, shadow in met if shadow.failure is not None]
    both = [couple for record, shadow in scored for couple in _both(record, shadow)]
    return Beside(
        champion=champion,
        challenger=challenger,
        decisions=len(scored),
        failed=len(failures),
        scores=len(both),
        correlation=_correlation(both),
        mean_difference=statistics.fmean(b - a for a, b in both) if both else None,
        other_choice=sum(choice_of(record.decision) != shadow.choice for record, shadow in scored),
        last_failure=failures[-1] if failures else None,
    )


def _both(record: DecisionRecord, shadow: ShadowRecord) -> list[tuple[float, float]]:
    """(champion's, challenger's) probability of every pair that both know a finite one of."""
    couples = ((score.probability, shadow.probabilities.get(score.pair.pair_id)) for score in record.decision.scores)
    return [(a, b) for a, b in couples if a is not None and b is not None and math.isfinite(a) and math.isfinite(b)]


def _correlation(both: Sequence[tuple[float, float]]) -> float | None:
    ours, theirs = [a for a, _ in both], [b for _, b in both]
    if len(set(ours)) < 2 or len(set(theirs)) < 2:  # a rounded mean would leave a variance of 1e-34, and nonsense
        return None
    return statistics.correlation(ours, theirs)
