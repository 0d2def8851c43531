"""What a source's own code raises without meaning to: it becomes a failure of one instrument, never of the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ingestion.lake.spans import Span
from pairity.errors import DataError, PairityError
from pairity.printable import printable

_SHOWN = 200
_PANIC = "PanicException"
"""What Polars raises where its own code fails: a child of BaseException, as if the process were to end."""


@contextmanager
def containing(source: str, dataset: str, asset: str) -> Iterator[None]:
    """Turn every error of the block that is not one of ours into a DataError that names what was asked for.

    The block holds the source's code alone: what our own disk or lake raises must end the run. Cancellation and the
    end of the process pass.
    """
    try:
        yield
    except PairityError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        raise DataError(
            f"{dataset} of {asset} from {source} cannot be read: {_describe(error)}",
            "correct, replace or leave out what it names; everything else was collected",
        ) from None


def describe_unit(unit: Span) -> str:
    """Return a range as part of a message."""
    return f"{unit[0]:%Y-%m-%d %H:%M} to {unit[1]:%Y-%m-%d %H:%M} UTC"


def _describe(error: BaseException) -> str:
    place = getattr(error, "filename", None)
    said = printable(" ".join(str(error).split()))[:_SHOWN]
    return f"{type(error).__name__}: {said}" + (f" ({place})" if place and str(place) not in said else "")
