"""The model that decides: loaded at start, and followed when the registry names another one.

A promotion or rollback takes effect at the next decision; positions go on, they belong to the strategy and not to a
model. A new champion that cannot be used never ends the process: it goes on with the one before for watching what is
held, and opens nothing, because whoever changed the alias did not want the old one to open anything either.
"""

from __future__ import annotations

from pairity.errors import LiveSwitchError, NoChampionError, PairityError, RegistryError
from pairity.settings import Settings
from serving.models.scoring import ModelRef, Scorer
from serving.registered import find, load, load_champion
from serving.risk import Mode


class Champion:
    """The champion of one process. Building it raises what `load_champion` and `require_proven` raise."""

    def __init__(self, settings: Settings, mode: Mode) -> None:
        self._settings = settings
        self._mode = mode
        self.scorer: Scorer = load_champion(settings)
        self.barred: str | None = None
        """Why nothing may be opened now: the registry names a champion that cannot be used, or none."""
        require_proven(mode, self.scorer.ref)

    @property
    def ref(self) -> ModelRef:
        """Which version decides."""
        return self.scorer.ref

    def follow(self) -> list[str]:
        """Ask the registry and take over the champion that it names; returns problems, in words. Never raises them.

        An unreadable registry changes nothing: nobody has said that another version should trade.
        """
        try:
            named = find(self._settings, self._settings.serve.model_alias)
        except NoChampionError as error:
            return self._bar(error.what)
        except RegistryError as error:
            return [f"version {self.ref.version} goes on: {error.what}"]
        if named.key == self.ref.key:
            self.barred = None
            return []
        try:
            require_proven(self._mode, named)
            require_universe(named, self.ref, self._settings)
            self.scorer = load(self._settings, named)
        except PairityError as error:
            return self._bar(f"champion version {named.version} cannot be used: {error.what}")
        self.barred = None
        return []

    def _bar(self, reason: str) -> list[str]:
        self.barred = reason
        return [f"{reason}; version {self.ref.version} watches what is held, nothing is opened"]


def require_proven(mode: Mode, model: ModelRef) -> None:
    """LiveSwitchError where real money is asked for and the champion did not pass the promotion gate."""
    if mode is Mode.LIVE and model.gate != "passed":
        raise LiveSwitchError(
            f"{model.name} version {model.version} may not trade real money: the promotion gate says {model.gate!r}",
            f"see `pairity models {model.version}`; promote a version that passed, or trade on demo",
        )


def require_universe(named: ModelRef, current: ModelRef, settings: Settings) -> None:
    """RegistryError where a version was made neither for the assets that are traded nor for those of the champion."""
    traded = ",".join(settings.universe.assets)
    if named.universe not in {traded, current.universe}:
        raise RegistryError(
            f"it was made for the assets {named.universe or 'not recorded'}, not for {traded}",
            "restart the trading process with the universe that the version was trained on",
        )
