"""Catalogue of all checks, in the order in which they are made and shown."""

from __future__ import annotations

from collections.abc import Collection

from pairity.errors import UnknownNameError
from serving.doctor import (
    account_checks,
    data_checks,
    home,
    journal_checks,
    machine,
    model_checks,
    port_checks,
    software,
    sources_of_settings,
    trial_checks,
    venue_checks,
)
from serving.doctor.findings import Check

CHECKS: tuple[Check, ...] = (
    *software.CHECKS,
    *machine.CHECKS,
    *sources_of_settings.CHECKS,
    *home.CHECKS,
    *venue_checks.CHECKS,
    *account_checks.CHECKS,
    *journal_checks.CHECKS,
    *model_checks.CHECKS,
    *trial_checks.CHECKS,
    *data_checks.CHECKS,
    *port_checks.CHECKS,
)
"""All checks; names are unique, and a group's checks follow each other."""


def choose_checks(only: Collection[str] = (), skip: Collection[str] = ()) -> tuple[Check, ...]:
    """Return the checks of the names or groups `only` (all, without any) but those of `skip`.

    UnknownNameError names what is neither a check nor a group.
    """
    known = {check.name for check in CHECKS} | {check.group for check in CHECKS}
    for name in (*only, *skip):
        if name not in known:
            raise UnknownNameError("check", name, known)
    return tuple(
        check
        for check in CHECKS
        if (not only or {check.name, check.group} & set(only)) and not {check.name, check.group} & set(skip)
    )
