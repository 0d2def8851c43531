"""Comparison of champion and challenger over the journalled decisions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serving.journal.journal import Journal
from serving.journal.records import DecisionRecord, ShadowRecord
from serving.models.shadow import find_best_candidate


@dataclass(frozen=True, slots=True)
class ShadowComparison:
    """Comparison of a challenger with the champion that it was the shadow of, over the decisions that they shared."""

    champion: str
    challenger: str
    decisions: int
    """Decisions at which the challenger was scored; `failed` counts those at which it was not."""
    failed: int
    scores: int
    """Pairs with a probability of both versions, over all these decisions."""
    correlation: float | None
    """Pearson's, of both probabilities over `scores`; None where one of them never varies or there are fewer than 2."""
    mean_difference: float | None
    """Mean of challenger − champion over `scores`; None without any."""
    other_choice: int
    """Decisions at which the best candidate would have been another pair, or only one version had one."""
    last_failure: str | None

    @property
    def other_share(self) -> float | None:
        """`other_choice` as a share of `decisions`; None without any."""
        return self.other_choice / self.decisions if self.decisions else None


def summarise(journal: Journal) -> list[ShadowComparison]:
    """Return one comparison per couple of versions, in the order in which they first met."""
    return summarise_newest(journal, journal.decisions())


def summarise_newest(journal: Journal, decisions: Iterable[DecisionRecord]) -> list[ShadowComparison]:
    """Return the comparisons over some decisions alone."""
    known = {record.decision_id: record for record in decisions}
    couples: dict[tuple[str, str], list[tuple[DecisionRecord, ShadowRecord]]] = {}
    for shadow in journal.models.shadows():
        if (record := known.get(shadow.decision_id)) is not None:
            couples.setdefault((record.model_version, shadow.model_version), []).append((record, shadow))
    return [_compare(*versions, met) for versions, met in couples.items()]


def _compare(champion: str, challenger: str, met: Sequence[tuple[DecisionRecord, ShadowRecord]]) -> ShadowComparison:
    scored = [(record, shadow) for record, shadow in met if shadow.failure is None]
    failures = [shadow.failure for _, shadow in met if shadow.failure is not None]
    both = [couple for record, shadow in scored for couple in _shared_probabilities(record, shadow)]
    return ShadowComparison(
        champion=champion,
        challenger=challenger,
        decisions=len(scored),
        failed=len(failures),
        scores=len(both),
        correlation=_correlation(both),
        mean_difference=statistics.fmean(b - a for a, b in both) if both else None,
        other_choice=sum(find_best_candidate(record.decision) != shadow.choice for record, shadow in scored),
        last_failure=failures[-1] if failures else None,
    )


def _shared_probabilities(record: DecisionRecord, shadow: ShadowRecord) -> list[tuple[float, float]]:
    """Return (champion's, challenger's) probability of every pair for which both are finite."""
    couples = ((score.probability, shadow.probabilities.get(score.pair.pair_id)) for score in record.decision.scores)
    return [(a, b) for a, b in couples if a is not None and b is not None and math.isfinite(a) and math.isfinite(b)]


def _correlation(both: Sequence[tuple[float, float]]) -> float | None:
    ours, theirs = [a for a, _ in both], [b for _, b in both]
    # Counted and not left to the variance: a rounded mean would leave one of 1e-34, and a correlation of noise
    if len(set(ours)) < 2 or len(set(theirs)) < 2:
        return None
    return statistics.correlation(ours, theirs)
