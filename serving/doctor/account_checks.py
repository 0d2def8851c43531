"""Checks of the account: keys and what they may, its mode, its leverage, and whether there is money to trade with."""

from __future__ import annotations

import re
from collections.abc import Iterable

from feature_repo.contract_specs import read_contracts
from pairity.errors import CredentialsError, DataError, InsufficientBalanceError, PairityError
from pairity.margin import MarginMode
from serving.doctor.case import Case
from serving.doctor.findings import Check, Finding, SkippedError, Sure, fault, hint, unknown, warning
from serving.risk import check_balance
from venue.okx_client import read_credentials

_CODE = re.compile(r"\(code (\d+)\)")
_KEYS = "create a key on the venue's site, with the permissions to read and to trade, and put it into .env"
_REFUSED = {
    "50100": ("the key is frozen", "ask the venue why, or create another key"),
    "50101": ("the key is of the other market: demo and real money have keys of their own", _KEYS),
    "50103": ("a part of the credentials does not arrive", _KEYS),
    "50104": ("the passphrase does not arrive", "set PAIRITY_EXCHANGE__API_PASSPHRASE"),
    "50105": ("the passphrase is wrong", "set PAIRITY_EXCHANGE__API_PASSPHRASE to the key's own passphrase"),
    "50110": (
        "the key is bound to other addresses than this machine's",
        "add this machine's address to the key on the venue's site; the venue's answer names it",
    ),
    "50111": ("the venue does not know the key", "set PAIRITY_EXCHANGE__API_KEY to a key that exists"),
    "50113": ("the secret is wrong", "set PAIRITY_EXCHANGE__API_SECRET to the key's own secret"),
    "50119": ("the venue does not know the key", "set PAIRITY_EXCHANGE__API_KEY to a key that exists"),
}
"""What the venue means by its codes, and what mends it."""
_SKEW = "50102"
_SPOT, _PORTFOLIO = "1", "4"
_TRADE, _WITHDRAW = "trade", "withdraw"
_AUTOMATIC = "automatic"
_FIRST_TIER = 0.004
"""Maintenance margin of the smallest tier of BTC, as a fraction of the notional: other contracts ask for more."""


def _check_credentials(case: Case) -> Iterable[Finding]:
    try:
        read_credentials(case.known)
    except CredentialsError as error:
        return [fault("credentials are missing", error.what, _KEYS)]
    answer = case.reached.account if case.provides("venue") else None
    if not isinstance(answer, PairityError):
        return []
    code = found[1] if (found := _CODE.search(answer.what)) else ""
    if code == _SKEW:
        raise SkippedError("the venue refuses the clock before it looks at the key")
    if code in _REFUSED:
        what, command = _REFUSED[code]
        return [fault(what, answer.what, command)]
    if isinstance(answer, CredentialsError):
        return [fault("the venue refuses the credentials", answer.what, answer.remedy or _KEYS)]
    return [unknown("the venue does not show the account", answer.what, answer.remedy or "try again later")]


def _check_permissions(case: Case) -> Iterable[Finding]:
    config = case.account.config
    granted = {word.strip() for word in config.permissions.split(",") if word.strip()}
    if not granted:
        return [hint("what the key may do is not known", "the venue does not say its permissions", _KEYS, Sure.UNKNOWN)]
    findings = []
    if _TRADE not in granted:
        findings.append(fault("the key may read only", f"its permissions: {config.permissions}", _KEYS))
    if _WITHDRAW in granted:
        what = "the key may withdraw money, which nothing here needs"
        command = "take the permission to withdraw from the key on the venue's site"
        findings.append((fault if case.live else warning)(what, f"its permissions: {config.permissions}", command))
    return findings


def _check_addresses(case: Case) -> Iterable[Finding]:
    if not case.live:
        raise SkippedError("only keys for real money need it")
    if case.account.config.addresses:
        return []
    what = "the key for real money works from everywhere"
    command = "bind the key to this machine's address on the venue's site"
    return [warning(what, "it is bound to no address", command)]


def _check_account_mode(case: Case) -> Iterable[Finding]:
    config = case.account.config
    findings = []
    if config.level == _SPOT:
        command = "choose futures mode on the venue's site"
        findings.append(fault("the account is in spot mode and has no swaps", "account level 1", command))
    elif config.level == _PORTFOLIO:
        what = "the account is in portfolio margin, which was never tried"
        findings.append(warning(what, "account level 4", "choose futures mode on the venue's site"))
    if config.position_mode != "net_mode":
        positions = case.account.positions
        held = not isinstance(positions, PairityError) and len(positions) > 0
        fact = f"position mode {config.position_mode}"
        if held:
            command = "close all positions and orders on the venue's site, then choose net mode there"
            findings.append(fault("the account is not in net mode", f"{fact}, and positions are open", command))
        else:
            command = "pairity serve  (switches it, as long as nothing is open)"
            findings.append(warning("the account is not in net mode", fact, command))
    return findings


def _check_margin_mode(case: Case) -> Iterable[Finding]:
    """Say what keeps isolated margin from working, on this account or with these settings."""
    strategy, findings = case.known.strategy, []
    mode, transfers = strategy.margin_mode, case.account.config.isolated_transfers
    if mode is MarginMode.ISOLATED:
        if transfers not in ("", _AUTOMATIC):
            what = "margin gets into isolated positions by hand only"
            command = (
                "choose automatic transfers for isolated margin on the venue's site, or strategy.margin_mode cross"
            )
            findings.append(fault(what, f"transfers are {transfers!r}", command))
        reach = 1 / strategy.leverage - _FIRST_TIER - case.known.costs.taker_fee_bps / 10_000
        furthest = strategy.stop_bounds[1]
        if reach < furthest:
            what = "an isolated position may be liquidated before its stop"
            fact = (
                f"at strategy.leverage {strategy.leverage} that is {max(reach, 0):.2%} from the entry; stops are up "
                f"to {furthest:.2%} away"
            )
            findings.append(warning(what, fact, "lower strategy.leverage, or strategy.stop_bounds"))
    return findings


def _check_leverage(case: Case) -> Iterable[Finding]:
    """While something is open, leverage must be what it was opened with; while flat each entry sets it anew."""
    wanted = case.known.strategy.leverage
    findings = []
    listings = case.reached.listings
    if not isinstance(listings, PairityError):
        for name in case.known.universe.instruments:
            listing = listings.get(name)
            most = listing.spec.max_leverage if listing is not None else None
            if most is not None and wanted > most:
                what = f"{name} does not allow the leverage"
                fact = f"strategy.leverage is {wanted}, and the venue allows {most}"
                findings.append(fault(what, fact, f"set strategy.leverage to at most {most}"))
    positions = case.account.positions
    mode = case.known.strategy.margin_mode
    held = set() if isinstance(positions, PairityError) else {r.instrument for r in positions if r.margin_mode == mode}
    for name, found in case.account.leverage.items():
        if isinstance(found, PairityError):
            findings.append(unknown(f"the leverage of {name} is not known", found.what, found.remedy or "try again"))
        elif name in held and found != wanted:
            what = f"{name} is held at another leverage"
            fact = f"the venue has {found} in {mode} margin, strategy.leverage is {wanted}"
            command = f"set the leverage of {name} to {wanted} on the venue's site, or strategy.leverage to {found}"
            findings.append(warning(what, fact, command))
    return findings


def _check_balance(case: Case) -> Iterable[Finding]:
    balance, positions = case.account.balance, case.account.positions
    if isinstance(balance, PairityError):
        return [unknown("the balance is not known", balance.what, balance.remedy or "try again later")]
    if not isinstance(positions, PairityError) and positions:
        raise SkippedError("margin of what is open lowers what is available")
    try:
        contracts = read_contracts(case.layout)
    except DataError:
        contracts = {}
    known = {asset: spec for asset, spec in contracts.items() if asset in case.known.universe.assets}
    try:
        check_balance(balance, case.known, known, case.reached.prices)
    except InsufficientBalanceError as error:
        return [fault("there is too little money for the smallest position", error.what, error.remedy)]
    return []


_ACCOUNT = frozenset({"account"})
CHECKS = (
    Check("credentials", "account", _check_credentials),
    Check("permissions", "account", _check_permissions, _ACCOUNT),
    Check("addresses", "account", _check_addresses, _ACCOUNT),
    Check("account-mode", "account", _check_account_mode, _ACCOUNT),
    Check("margin-mode", "account", _check_margin_mode, _ACCOUNT),
    Check("leverage", "account", _check_leverage, _ACCOUNT),
    Check("balance", "account", _check_balance, _ACCOUNT),
)
