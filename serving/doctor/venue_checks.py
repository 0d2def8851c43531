"""Checks of the venue: the way to it, the clock, and the contracts that it lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from feature_repo.contract_specs import read_contracts
from pairity.errors import CredentialsError, DataError, PairityError
from pairity.number_formats import format_plain
from pairity.universe import inst_id
from serving.doctor.case import Case
from serving.doctor.findings import Check, Finding, SkippedError, Sure, fault, unknown, warning

_STAGES = {
    "address": "the venue's address cannot be used",
    "name": "the venue's name cannot be resolved",
    "connection": "nothing answers at the venue's address",
    "answer": "the venue does not answer as it should",
}
_NTP = "sudo timedatectl set-ntp true"
_SOON = timedelta(days=14)
_VENUE_WINDOW = timedelta(seconds=30)
"""The venue refuses requests whose timestamp is further off."""
_SKEW_CODE = "(code 50102)"


def _check_network(case: Case) -> Iterable[Finding]:
    venue = case.venue
    if venue is None:
        raise SkippedError("the venue was not asked")
    if venue.trouble is None:
        return []
    # An answer that is no answer may be the venue's maintenance, or another server's.
    sure = Sure.LIKELY if venue.stage == "answer" else Sure.CERTAIN
    return [fault(_STAGES[venue.stage], venue.trouble.what, venue.trouble.remedy or "try again later", sure)]


def _check_clock(case: Case) -> Iterable[Finding]:
    venue = case.reached
    if isinstance(venue.account, CredentialsError) and _SKEW_CODE in venue.account.what:
        return [fault("the venue refuses this machine's clock", venue.account.what, _NTP)]
    if venue.skew is None:
        raise SkippedError("time is the paper exchange's own")
    offset, uncertainty = venue.skew.offset, venue.skew.uncertainty
    ahead = "ahead of" if offset > timedelta(0) else "behind"
    fact = (
        f"{abs(offset.total_seconds()):.2f} s {ahead} the venue's, known up to {uncertainty.total_seconds():.2f} s; "
        f"limits.clock_skew_s is {format_plain(case.known.limits.clock_skew_s)}"
    )
    allowed = timedelta(seconds=case.known.limits.clock_skew_s)
    # The least that the distance can be decides for sure, the most that it can be only in doubt.
    if abs(offset) - uncertainty >= _VENUE_WINDOW:
        return [fault("this machine's clock is so far off that the venue refuses requests", fact, _NTP)]
    if abs(offset) - uncertainty > allowed:
        return [fault("this machine's clock is too far off: nothing is opened", fact, _NTP)]
    if abs(offset) + uncertainty > allowed:
        return [warning("this machine's clock may be too far off", fact, _NTP, Sure.LIKELY)]
    return []


def _check_contracts(case: Case) -> Iterable[Finding]:
    listings = case.reached.listings
    if isinstance(listings, PairityError):
        return [unknown("the venue does not list its contracts", listings.what, listings.remedy or "try again later")]
    findings = []
    for asset in case.known.universe.assets:
        name = inst_id(asset)
        listing = listings.get(name)
        drop = f"take {asset} out of universe.assets, then: pairity ingest && pairity train"
        if listing is None:
            findings.append(fault(f"{name} is not listed", "the venue's list of swaps does not have it", drop))
        elif listing.state != "live":
            findings.append(
                warning(f"{name} does not trade now", f"the venue says: {listing.state}", f"wait, or {drop}")
            )
        elif listing.ends_at is not None and listing.ends_at - case.now < _SOON:
            fact = f"the venue ends it at {listing.ends_at:%Y-%m-%d %H:%M} UTC"
            findings.append(warning(f"{name} is about to be delisted", fact, drop))
    return findings


def _check_specifications(case: Case) -> Iterable[Finding]:
    """Compare the contracts that sizes are computed by with those that the venue lists."""
    try:
        stored = read_contracts(case.layout)
    except DataError as error:
        return [fault("the contracts of the universe are not known", error.what, "pairity ingest")]
    missing = [asset for asset in case.known.universe.assets if asset not in stored]
    findings = []
    if missing:
        findings.append(fault("contracts of the universe are not known", ", ".join(missing), "pairity ingest"))
    listings = case.reached.listings if case.provides("venue") else {}
    if isinstance(listings, PairityError):
        return findings
    for asset, spec in stored.items():
        listing = listings.get(spec.instrument)
        if asset in case.known.universe.assets and listing is not None and listing.spec.ct_val != spec.ct_val:
            fact = f"stored: {spec.ct_val} a contract; the venue lists {listing.spec.ct_val}"
            findings.append(warning(f"{spec.instrument} has changed its value", fact, "pairity ingest"))
    return findings


CHECKS = (
    Check("network", "venue", _check_network),
    Check("clock", "venue", _check_clock, frozenset({"venue"})),
    Check("contracts", "venue", _check_contracts, frozenset({"venue"})),
    Check("specifications", "venue", _check_specifications),
)
