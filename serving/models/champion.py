"""The model that decides: loaded at start, and followed when the registry names another one.

A promotion or rollback takes effect at the next decision. Positions go on: they belong to the strategy and not to a
model. A new champion that cannot be used never ends the process. The version before it goes on watching what is held
and opens nothing, because whoever changed the alias did not want the old version to open anything either.
"""

from __future__ import annotations

from model_registry.records import GATE_PASSED, ModelRef
from model_registry.registry import find_champion
from pairity.errors import LiveSwitchError, NoChampionError, PairityError, RegistryError
from pairity.settings import Settings
from serving.models.scoring import Scorer, load_scorer
from serving.risk import Mode


class Champion:
    """Champion of one process. Building it raises what `find_champion`, `load_scorer` and `require_proven` raise."""

    def __init__(self, settings: Settings, mode: Mode) -> None:
        self._settings = settings
        self._mode = mode
        self.scorer: Scorer = load_scorer(settings, find_champion(settings))
        self.suspended: str | None = None
        """Why nothing may be opened now: the registry names a champion that cannot be used, or none."""
        require_proven(mode, self.scorer.ref)

    @property
    def ref(self) -> ModelRef:
        """Version that decides."""
        return self.scorer.ref

    def follow(self) -> list[str]:
        """Take over the champion that the registry names now; return problems as messages, and raise none of them.

        An unreadable registry changes nothing: nobody has said that another version should trade.
        """
        try:
            named = find_champion(self._settings)
        except NoChampionError as error:
            return self._suspend(error.what)
        except RegistryError as error:
            return [f"version {self.ref.version} goes on: {error.what}"]
        # By key and not by equality: tags of a version change, such as the gate's, while its model stays
        if named.key == self.ref.key:
            self.suspended = None
            return []
        try:
            require_proven(self._mode, named)
            require_universe(named, self.ref, self._settings)
            self.scorer = load_scorer(self._settings, named)
        except PairityError as error:
            return self._suspend(f"champion version {named.version} cannot be used: {error.what}")
        self.suspended = None
        return []

    def _suspend(self, reason: str) -> list[str]:
        self.suspended = reason
        return [f"{reason}; version {self.ref.version} watches what is held, nothing is opened"]


def require_proven(mode: Mode, model: ModelRef) -> None:
    """Raise LiveSwitchError where real money is requested and the champion did not pass the promotion gate."""
    if mode is Mode.LIVE and model.gate != GATE_PASSED:
        raise LiveSwitchError(
            f"{model.name} version {model.version} may not trade real money: the promotion gate says {model.gate!r}",
            f"see `pairity models {model.version}`; promote a version that passed, or trade on demo",
        )


def require_universe(named: ModelRef, current: ModelRef, settings: Settings) -> None:
    """Raise RegistryError for a version that was made neither for the traded assets nor for the current champion's."""
    traded = ",".join(settings.universe.assets)
    if named.universe not in {traded, current.universe}:
        raise RegistryError(
            f"it was made for the assets {named.universe or 'not recorded'}, not for {traded}",
            "restart the trading process with the universe that the version was trained on",
        )
