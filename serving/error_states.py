"""Which state an error puts the trading process into. None of them ends it.

error                                                        state      why
JournalWriteError                                            guarding   a full disk or a lock passes
other JournalErrors                                          halted     it disagrees with the venue, or itself
VenueErrors, DataErrors, RegistryErrors, others of ours      guarding   tried again
OSError                                                      guarding   disk, network, permissions
anything else                                                guarding   a mistake in this program: no entries on it
"""

from __future__ import annotations

from pairity.errors import JournalError, JournalWriteError, PairityError
from serving.journal import TradingState
from venue.okx_answers import short

_PANIC = "PanicException"
"""A library in Rust that gives up (a torn file can do that to Polars): no `Exception`, and no end of ours."""


def may_be_survived(error: BaseException) -> bool:
    """Return whether an error is one that the process goes on after: all but requests to end, and cancellations."""
    return isinstance(error, Exception) or type(error).__name__ == _PANIC


def choose_state(error: BaseException) -> TradingState:
    """Return the state for an error; never TRADING."""
    if isinstance(error, JournalError) and not isinstance(error, JournalWriteError):
        return TradingState.HALTED
    return TradingState.GUARDING


def describe(error: BaseException) -> str:
    """Return what an error says, in one line; errors that are not ours are named by their kind."""
    if isinstance(error, PairityError):
        return error.what
    return f"{type(error).__name__}: {short(error) or 'no more is said'}"
