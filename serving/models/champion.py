"""The version that decides: loaded at start, and followed when the registry names another one.

A promotion or rollback takes effect at the next decision. Positions go on: they belong to the strategy and not to a
model. A new champion that cannot be used never ends the process. The version before it goes on watching what is held
and opens nothing, because whoever changed the alias did not want the old version to open anything either.
The same holds where somebody without the key changed the registry: what is not signed does not decide.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from model_registry.approval import is_confirmed
from model_registry.records import GATE_PASSED, REASON_TAG, ModelRef
from model_registry.registry import find_champion, find_last_champion, find_version
from pairity.errors import LiveSwitchError, NoChampionError, PairityError, RegistryError, SignatureError
from pairity.settings import Settings
from serving.models.scoring import Scorer, load_scorer
from serving.risk import Mode


class FollowedVersion(ABC):
    """Champion of one process, whatever its kind.

    With `pinned` only the version of that number may open positions. Without it real money needs a version that a
    person has confirmed. Building it raises what `find_champion`, `_take` and `require_proven` raise.
    """

    def __init__(self, settings: Settings, mode: Mode, pinned: str | None = None) -> None:
        self._settings = settings
        self._mode = mode
        self._pinned = pinned
        if pinned is not None:
            find_version(settings, pinned)  # a mistyped number is told at once
        named = find_champion_to_start_with(settings)
        self._take(named)
        self.suspended: str | None = self._explain_waiting(named)
        """Why nothing may be opened now: the registry names a champion that cannot be used, or none."""
        require_proven(mode, self.ref)

    @property
    @abstractmethod
    def ref(self) -> ModelRef:
        """Version that decides."""

    @abstractmethod
    def _take(self, named: ModelRef) -> None:
        """Load a version; from now on it decides. Raises a PairityError where it cannot be loaded."""

    @abstractmethod
    def _require_fit(self, named: ModelRef) -> None:
        """Raise RegistryError for a version that cannot take the place of the one that decides in this process."""

    def follow(self) -> list[str]:
        """Take over the champion that the registry names now; return problems as messages, and raise none of them.

        An unreadable registry changes nothing: nobody has said that another version should trade.
        """
        try:
            named = find_champion(self._settings)
        except (NoChampionError, SignatureError) as error:
            return self._suspend(error.what)
        except RegistryError as error:
            return [f"version {self.ref.version} goes on: {error.what}"]
        try:
            require_proven(self._mode, named)
            waiting = self._explain_waiting(named)
            if waiting is not None:
                return self._suspend(waiting)
            # By key and not by equality: tags of a version change, such as the gate's, while its model stays
            if named.key != self.ref.key:
                self._require_fit(named)
                self._take(named)
        except PairityError as error:
            return self._suspend(f"champion version {named.version} cannot be used: {error.what}")
        self.suspended = None
        return []

    def _explain_waiting(self, named: ModelRef) -> str | None:
        """Return why a champion may not open anything before a person has said so; None where it may."""
        if self._pinned is not None:
            if named.version == self._pinned:
                return None
            return f"version {self._pinned} is pinned on the command line, and version {named.version} is champion"
        if self._mode is Mode.LIVE and not is_confirmed(self._settings, named):
            return (
                f"champion version {named.version} waits to be confirmed for real money "
                f"(pairity models confirm {named.version})"
            )
        return None

    def _suspend(self, reason: str) -> list[str]:
        self.suspended = reason
        return [f"{reason}; version {self.ref.version} watches what is held, nothing is opened"]


class Champion(FollowedVersion):
    """Champion of a process that trades pairs. Building it raises what `load_scorer` raises, too."""

    scorer: Scorer

    @property
    def ref(self) -> ModelRef:
        """Version that decides."""
        return self.scorer.ref

    def _take(self, named: ModelRef) -> None:
        self.scorer = load_scorer(self._settings, named)

    def _require_fit(self, named: ModelRef) -> None:
        if named.is_book:
            raise RegistryError(
                f"it is a book ({named.family}), and this process trades pairs: close what is held "
                "(pairity halt --flatten), then end the process and start it again"
            )
        require_universe(named, self.ref, self._settings)


def find_champion_to_start_with(settings: Settings) -> ModelRef:
    """Return the champion; where the registry was changed by somebody without the key, the last one that was signed.

    Positions that are held need a model that watches them. `follow` says of the changed one what is wrong with it.
    """
    try:
        return find_champion(settings)
    except SignatureError as error:
        try:
            return find_last_champion(settings)
        except PairityError:
            raise error from None


def require_proven(mode: Mode, model: ModelRef) -> None:
    """Raise LiveSwitchError where real money is requested and the champion did not pass the promotion gate.

    The same for one that a person promoted over a parity mismatch.

    RegistryError where the venue's demo trading is, and the champion is on trial with a backtest without a trade.
    """
    if mode is Mode.LIVE and model.gate != GATE_PASSED:
        raise LiveSwitchError(
            f"{model.name} version {model.version} may not trade real money: the promotion gate says {model.gate!r}",
            f"see `pairity models {model.version}`; promote a version that passed, or trade on demo",
        )
    if mode is Mode.LIVE and model.is_despite_parity:
        raise LiveSwitchError(
            f"{model.name} version {model.version} may not trade real money: it was promoted over a parity mismatch "
            f"({model.tags[REASON_TAG]})",
            f"run pairity parity; once it is clean, promote another version and then {model.version} again",
        )
    if mode is not Mode.PAPER and model.is_on_trial and model.has_never_traded:
        raise RegistryError(
            f"{model.name} version {model.version} may not trade on {mode}: it is the first model, on trial, and its "
            "backtest closed no trade",
            f"see `pairity models {model.version}`; train on more history (pairity ingest --since 90d, pairity train), "
            "or try it on a paper exchange (pairity serve --exchange-url URL)",
        )


def require_universe(named: ModelRef, current: ModelRef, settings: Settings) -> None:
    """Raise RegistryError for a version that was made neither for the traded assets nor for the current champion's."""
    traded = ",".join(settings.universe.traded)
    if named.universe not in {traded, current.universe}:
        raise RegistryError(
            f"it was made for the assets {named.universe or 'not recorded'}, not for {traded}",
            "restart the trading process with the universe that the version was trained on",
        )
