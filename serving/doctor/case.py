"""The case that the checks look at: settings, time, and what the venue answered. It is gathered once, and only read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pairity.configuration import load_settings
from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.settings import Settings
from serving.doctor.findings import Finding, SkippedError
from serving.doctor.venue_facts import Account, VenueFacts, gather_facts

FindTrialFlaws = Callable[[Settings], Sequence[Finding]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is examined; `live` asks whether real money may be traded.

    `find_trial_flaws` looks at the ledger of trials; None: nothing does.

    `settings` are None where they cannot be read, for `refused`; `venue` is None without them, or where no check asks.
    """

    live: bool
    settings: Settings | None
    refused: ConfigError | None
    venue: VenueFacts | None = None
    find_trial_flaws: FindTrialFlaws | None = None

    @property
    def known(self) -> Settings:
        """The settings; SkippedError without them."""
        if self.settings is None:
            raise SkippedError("the settings cannot be read")
        return self.settings

    @property
    def layout(self) -> Layout:
        """Paths of the data directory; SkippedError without settings."""
        return Layout.of(self.known)

    @property
    def reached(self) -> VenueFacts:
        """What the venue answered; SkippedError where it did not."""
        if self.venue is None or self.venue.trouble is not None:
            raise SkippedError("the venue was not reached")
        return self.venue

    @property
    def account(self) -> Account:
        """What the venue says of the account; SkippedError where it does not."""
        account = self.reached.account
        if not isinstance(account, Account):
            raise SkippedError("the venue does not show the account")
        return account

    @property
    def now(self) -> datetime:
        """The venue's present instant; SkippedError where it is not known (of OKX it is at least this machine's)."""
        if self.venue is not None and self.venue.is_okx:
            skew = self.venue.skew
            return datetime.now(UTC) - (skew.offset if skew is not None else timedelta(0))
        return self.reached.now

    def provides(self, need: str) -> bool:
        """Return whether the case has what a check needs."""
        try:
            getattr(self, {"settings": "known", "time": "now", "venue": "reached", "account": "account"}[need])
        except SkippedError:
            return False
        return True


def open_case(
    *,
    live: bool,
    overrides: dict[str, dict[str, str]] | None = None,
    find_trial_flaws: FindTrialFlaws | None = None,
) -> Case:
    """Return the case of this folder and environment, the venue not asked yet; `overrides` are options, by section."""
    try:
        settings = load_settings(**(overrides or {}))
    except ConfigError as error:
        return Case(live=live, settings=None, refused=error)
    except OSError as error:
        unreadable = ConfigError(
            f"{error.filename} cannot be read: {error.strerror}", "correct its rights, or remove it"
        )
        return Case(live=live, settings=None, refused=unreadable)
    return Case(live=live, settings=settings, refused=None, find_trial_flaws=find_trial_flaws)


def ask_venue(case: Case, limit_s: float) -> Case:
    """Return the case with what the venue answers within `limit_s` seconds; without settings nobody is asked."""
    if case.settings is None:
        return case
    return replace(case, venue=asyncio.run(gather_facts(case.settings, live=case.live, limit_s=limit_s)))
