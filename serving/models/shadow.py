"""The challenger beside the champion: the same online vectors, the same strategy, no influence on anything.

It is scored after the champion's decision is journalled and its orders are out. Whatever goes wrong with it is reported
and journalled, and ends there. A bar that was decided before a restart gets no shadow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from model_registry.records import CHALLENGER, ModelRef
from model_registry.registry import find_alias
from pairity.errors import NoChampionError, PairityError, RegistryError
from pairity.settings import Settings
from pairity.strategy.selection import rank_candidates
from pairity.strategy.types import Decision
from serving.decision import DecisionInputs, make_decision
from serving.journal import Journal
from serving.journal.records import DecisionRecord, ShadowRecord
from serving.models.champion import require_universe
from serving.models.scoring import Scorer, load_scorer
from serving.status import Status


class Shadow:
    """Shadow of the champion: follows the alias `challenger` and journals what that version would have decided."""

    def __init__(self, settings: Settings, journal: Journal, status: Status, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._journal = journal
        self._status = status
        self._say = say
        self._loaded: Scorer | None = None

    def follow(self, record: DecisionRecord, seen: DecisionInputs, champion: ModelRef) -> list[str]:
        """Score what `record` was decided on with the present challenger, if there is one.

        Returns problems as messages, and raises nothing.
        """
        try:
            return self._follow(record, seen, champion)
        except Exception as error:  # noqa: BLE001 - nothing that happens to a shadow may reach the one who trades
            return [_describe("the challenger was not scored", error)]

    def _follow(self, record: DecisionRecord, seen: DecisionInputs, champion: ModelRef) -> list[str]:
        try:
            named = find_alias(self._settings, CHALLENGER)
        except NoChampionError:
            self._loaded, self._status.challenger = None, None
            return []
        failure, decision = None, None
        try:
            decision = make_decision(self._scorer(named, champion), seen, self._settings)
        except Exception as error:  # noqa: BLE001 - as above; this one is journalled under the challenger's name
            failure = _describe("not scored", error)
        self._status.challenger = {"version": named.version, "sha256": named.sha256, "state": failure or "scored"}
        self._journal.models.record_shadow(
            make_shadow_record(record, named, decision, seen.market.decision_time, failure)
        )
        return [] if failure is None else [f"challenger version {named.version} was {failure}"]

    def _scorer(self, named: ModelRef, champion: ModelRef) -> Scorer:
        """Return the challenger, loaded if it is new; RegistryError where it does not fit the champion's vectors."""
        if named.feature_service != champion.feature_service:
            raise RegistryError(
                f"it needs the features {named.feature_service}, the champion reads {champion.feature_service}"
            )
        require_universe(named, champion, self._settings)
        if self._loaded is None or self._loaded.ref.key != named.key:
            self._loaded = None  # lets go of the old forest first: two challengers need not fit into memory
            self._loaded = load_scorer(self._settings, named)
            self._say(f"challenger version {named.version} is scored in shadow")
        return self._loaded


def make_shadow_record(
    record: DecisionRecord, challenger: ModelRef, decision: Decision | None, at: datetime, failure: str | None
) -> ShadowRecord:
    """Return the journal's record of a shadow.

    Its `choice` is the candidate with the highest divergence score, whether or not it could be opened.
    """
    scores = () if decision is None else decision.scores
    return ShadowRecord(
        decision_id=record.decision_id,
        decision_time=at,
        model_name=challenger.name,
        model_version=challenger.version,
        model_sha256=challenger.sha256,
        probabilities={score.pair.pair_id: score.probability for score in scores},
        choice=None if decision is None else find_best_candidate(decision),
        failure=failure,
    )


def find_best_candidate(decision: Decision) -> str | None:
    """Return the pair id of a decision's best candidate, whether or not it could be opened; None without candidates."""
    best = rank_candidates(decision.scores)
    return best[0].pair.pair_id if best else None


def _describe(outcome: str, error: Exception) -> str:
    return f"{outcome}: {error.what if isinstance(error, PairityError) else f'{type(error).__name__}: {error}'}"
