"""The challenger beside the champion: the same online vectors, the same strategy, no influence on anything.

It is scored when the champion's decision is journalled and its orders are out. Whatever goes wrong with it is told and
journalled, and ends there. A bar that was decided before a restart gets no shadow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from feature_repo.model_files import CHALLENGER
from pairity.errors import NoChampionError, PairityError, RegistryError
from pairity.settings import Settings
from pairity.strategy.selection import rank_candidates
from pairity.strategy.types import Decision
from serving.api import Status
from serving.decision import Seen, choose
from serving.journal.journal import Journal
from serving.journal.records import DecisionRecord, ShadowRecord
from serving.models.champion import require_universe
from serving.models.scoring import ModelRef, Scorer
from serving.registered import find, load


class Shadow:
    """Follows the alias `challenger`, and journals what it would have said."""

    def __init__(self, settings: Settings, journal: Journal, status: Status, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._journal = journal
        self._status = status
        self._say = say
        self._loaded: Scorer | None = None

    def follow(self, record: DecisionRecord, seen: Seen, champion: ModelRef) -> list[str]:
        """Score what `record` was decided on with the present challenger, if any; returns problems. Raises nothing."""
        try:
            return self._follow(record, seen, champion)
        except Exception as error:  # noqa: BLE001 - nothing that happens to a shadow may reach the one who trades
            return [_told("the challenger was not scored", error)]

    def _follow(self, record: DecisionRecord, seen: Seen, champion: ModelRef) -> list[str]:
        try:
            named = find(self._settings, CHALLENGER)
        except NoChampionError:
            self._loaded, self._status.challenger = None, None
            return []
        failure, decision = None, None
        try:
            decision = choose(self._scorer(named, champion), seen, self._settings)
        except Exception as error:  # noqa: BLE001 - as above; this one is journalled under the challenger's name
            failure = _told("not scored", error)
        self._status.challenger = {"version": named.version, "sha256": named.sha256, "state": failure or "scored"}
        self._journal.models.record_shadow(shadow_of(record, named, decision, seen.market.decision_time, failure))
        return [] if failure is None else [f"challenger version {named.version} was {failure}"]

    def _scorer(self, named: ModelRef, champion: ModelRef) -> Scorer:
        """The challenger, loaded when it is new; RegistryError where the champion's vectors are none for it."""
        if named.service.name != champion.service.name:
            raise RegistryError(
                f"it needs the features {named.service.name}, the champion reads {champion.service.name}"
            )
        require_universe(named, champion, self._settings)
        if self._loaded is None or self._loaded.ref.key != named.key:
            self._loaded = None
            self._loaded = load(self._settings, named)
            self._say(f"challenger version {named.version} is scored in shadow")
        return self._loaded


def shadow_of(
    record: DecisionRecord, challenger: ModelRef, decision: Decision | None, at: datetime, failure: str | None
) -> ShadowRecord:
    """What is journalled of a shadow; `choice` is the candidate with the highest divergence score, taken or not."""
    scores = () if decision is None else decision.scores
    return ShadowRecord(
        decision_id=record.decision_id,
        decision_time=at,
        model_name=challenger.name,
        model_version=challenger.version,
        model_sha256=challenger.sha256,
        probabilities={score.pair.pair_id: score.probability for score in scores},
        choice=None if decision is None else choice_of(decision),
        failure=failure,
    )


def choice_of(decision: Decision) -> str | None:
    """Pair id of the best candidate of a decision, whether or not it could be opened; None where there was none."""
    best = rank_candidates(decision.scores)
    return best[0].pair.pair_id if best else None


def _told(what: str, error: Exception) -> str:
    return f"{what}: {error.what if isinstance(error, PairityError) else f'{type(error).__name__}: {error}'}"
