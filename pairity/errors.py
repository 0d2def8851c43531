"""Every error that pairity raises on purpose.

    PairityError
    ├── ConfigError                 a setting or argument cannot be used
    │   ├── UnknownNameError        a name that is not among those that exist (lists them)
    │   ├── TimeRangeError          an empty, inverted or unusable time range
    │   ├── PrivacyError            a file or folder is open to others, or may have been put there by them
    │   └── LiveSwitchError         real money requested without both switches
    ├── VenueError                  the exchange, as we see it
    │   ├── VenueUnreachableError   nothing answers at the URL, or it stopped answering
    │   ├── CredentialsError        the venue refuses the key, secret or passphrase
    │   ├── VenueAnswerError        an answer that is not what the protocol promises
    │   ├── VenueRejectedError      the venue understood and said no (carries the venue's code)
    │   ├── OrderUnknownError       an order's outcome is not known until the venue answers a query
    │   └── UnconfirmedError        the venue says that something is gone, and no second fact does
    ├── DataError                   stored data
    │   ├── LakeCorruptError        a file does not match its manifest or cannot be read
    │   ├── MissingDataError        the requested data is not there, or too little of it
    │   ├── JoinError               a point-in-time join did not return what went in
    │   ├── QuarantineError         data failed validation and was quarantined
    │   └── StaleFeaturesError      online features are older than allowed, or missing
    ├── RegistryError               models and their registry
    │   ├── NoChampionError         no model version has the requested alias
    │   ├── ModelIntegrityError     a model file is not the one that was registered
    │   └── SignatureError          a version, verdict or alias that this machine's key did not sign
    └── TradingError                trading cannot go on
        ├── InsufficientBalanceError  balance below what the smallest position needs
        ├── ForeignPositionError    a position on the venue that is not ours to manage
        └── JournalError            the journal cannot be read or disagrees with itself
            └── JournalWriteError   the journal is whole and cannot be used now (full disk, read-only, locked)

A message says what happened, what was found, and what to do about it. The command line prints the message and
exits with `exit_code`; it prints no traceback for these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches

from pairity.redaction import redact

_LONGEST_SHOWN = 80


class PairityError(Exception):
    """Base of the tree: `what` happened, with the value that was found, and the `remedy`."""

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        # A venue may put a key into its answer, and an answer is part of many messages
        self.what = redact(what)
        self.remedy = redact(remedy)
        super().__init__(f"{self.what}\n  → {self.remedy}" if remedy else self.what)

    def __reduce__(self) -> tuple[Callable[..., PairityError], tuple[type[PairityError], str, str]]:
        """Pickle kind, `what` and `remedy`: what failed on a worker says the same here."""
        return _restore, (type(self), self.what, self.remedy)


def _restore(kind: type[PairityError], what: str, remedy: str) -> PairityError:
    error = kind.__new__(kind)
    PairityError.__init__(error, what, remedy)
    return error


class ConfigError(PairityError):
    """A setting or an argument cannot be used."""

    exit_code = 2


class UnknownNameError(ConfigError):
    """A name that does not exist; the message lists those that do."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        name = redact(name)
        self.kind, self.name, self.choices = kind, name, sorted(choices)
        near = get_close_matches(name[:_LONGEST_SHOWN], self.choices, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        listed = ", ".join(self.choices) if self.choices else "none exist"
        shown = repr(name) if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]!r}… ({len(name)} signs)"
        super().__init__(f"unknown {kind} {shown}", f"{hint}choose from: {listed}")


class TimeRangeError(ConfigError):
    """An empty, inverted or unusable time range."""


class PrivacyError(ConfigError):
    """A file or folder is open to other users, or may have been put there by one."""


class LiveSwitchError(ConfigError):
    """Real money was requested without both switches."""


class VenueError(PairityError):
    """The exchange, as seen from here."""

    exit_code = 3


class VenueUnreachableError(VenueError):
    """Nothing answers at the URL, or it stopped answering."""


class CredentialsError(VenueError):
    """The venue refuses the key, the secret or the passphrase."""


class VenueAnswerError(VenueError):
    """An answer that is not what the protocol promises (HTML, empty, cut, fields missing)."""


class VenueRejectedError(VenueError):
    """The venue understood the request and refused it; `code` is the venue's own."""

    def __init__(self, what: str, code: str, remedy: str = "") -> None:
        self.code = redact(code)
        super().__init__(what, remedy)


class OrderUnknownError(VenueError):
    """The outcome of an order is unknown until the venue answers a query for it."""


class UnconfirmedError(VenueError):
    """One answer says that a position, a stop or an order is gone, and no second fact does; nothing was concluded."""


class DataError(PairityError):
    """Stored data cannot be used."""

    exit_code = 4


class LakeCorruptError(DataError):
    """A file of the lake does not match its manifest or cannot be read."""


class MissingDataError(DataError):
    """The requested data is not there, or there is too little of it."""


class JoinError(DataError):
    """A point-in-time join did not return as many rows as went in."""


class QuarantineError(DataError):
    """Data failed validation and was quarantined; nothing of it was published."""


class StaleFeaturesError(DataError):
    """Online features are older than allowed, or missing."""


class RegistryError(PairityError):
    """Models and their registry."""

    exit_code = 5


class NoChampionError(RegistryError):
    """No model version has the requested alias."""


class ModelIntegrityError(RegistryError):
    """A model file is not the one that was registered."""


class SignatureError(RegistryError):
    """What the registry says was not signed here, was changed or set back since, or there is no key to tell."""


class TradingError(PairityError):
    """Trading cannot go on."""

    exit_code = 6


class InsufficientBalanceError(TradingError):
    """The balance is below what the smallest position needs."""


class ForeignPositionError(TradingError):
    """A position exists on the venue that is not ours to manage."""


class JournalError(TradingError):
    """The journal cannot be read, or disagrees with itself."""


class JournalWriteError(JournalError):
    """The journal cannot be used at present: the disk is full, its folder is read-only, or another program locks it."""
