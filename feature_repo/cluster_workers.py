"""Work on a Dask cluster: named tasks, their results in order, and errors that say what to do.

Dask schedules, moves data, tries again after a worker died, and forgets what nobody waits for; nothing here does. A
task is a function of the product with its arguments: it changes nothing outside of itself, so that it does not matter
how often Dask runs it. Workers must run the same code with the same versions, or bits could differ: every task
compares.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import TYPE_CHECKING, Any

from pairity.digest import digest_parts
from pairity.errors import ConfigError, DataError

if TYPE_CHECKING:
    from distributed import Client, Future

_WAIT_S = 30
_PACKAGES = ("polars", "numpy", "numba", "pyarrow", "scikit-learn", "lightgbm")
_ROOMS = ("pairity", "feature_repo", "ingestion", "validation", "training")
_INSTALL = "install the extra: pip install 'pairity[cluster]', with the versions of requirements-cluster.lock"


class Workers:
    """The workers of one scheduler. Make it by `connect_workers`."""

    def __init__(self, scheduler: str, client: Client) -> None:
        self._scheduler, self._client = scheduler, client

    def submit(self, name: str, function: Callable[..., Any], *arguments: object) -> Future:
        """Hand in one task; `arguments` may be futures of others. `name` is what Dask's own pages show."""
        key = f"{name}-{token_hex(8)}"
        with worker_errors(self._scheduler, self._client):
            return self._client.submit(_run, describe_versions(), function, *arguments, key=key, pure=False)

    def keep(self, name: str, value: object) -> Future:
        """Hand in a value that several tasks use; it can be made again where the worker that had it died."""
        return self.submit(name, _same, value)

    def gather(self, futures: Sequence[Future]) -> list[Any]:
        """Return the results in order; what a task raised is raised here."""
        with worker_errors(self._scheduler, self._client):
            return list(self._client.gather(futures))


def connect_workers(scheduler: str) -> Workers:
    """Return the workers of the scheduler at an address, of which there is at least one.

    The connection is kept for the next call, and made anew where Dask has given it up: it does after half a minute
    without its scheduler. ConfigError where the extra is not installed; DataError where nothing answers, or no worker
    comes within half a minute.
    """
    client = _find_client(scheduler)
    with worker_errors(scheduler, client):
        try:
            client.wait_for_workers(1, timeout=_WAIT_S)
        except (AttributeError, OSError, RuntimeError) as error:  # no task speaks here: it is the connection
            raise _explain_silence(scheduler, error) from None
    return Workers(scheduler, client)


@contextmanager
def worker_errors(scheduler: str, client: Client) -> Iterator[None]:
    """Say which cluster failed, and why, as DataError."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.client import ClosedClientError
    from distributed.comm import CommClosedError
    from distributed.scheduler import NoValidWorkerError

    try:
        yield
    except KilledWorker as error:
        what = f"workers of {scheduler} died with the task {error.task} again and again"
        raise DataError(what, "look for their memory limit; the task is tried as often as Dask is set to") from None
    except NoValidWorkerError as error:
        raise DataError(f"{scheduler} has no worker for a task: {error}", "start workers, and run it again") from None
    except (ClosedClientError, CommClosedError, CancelledError, TimeoutError) as error:
        raise _explain_silence(scheduler, error) from None
    except (AttributeError, OSError, RuntimeError) as error:
        # Errors of tasks, too, are raised here; a client without its scheduler raises the same ones
        if client.status == "running":
            raise
        raise _explain_silence(scheduler, error) from None


def _explain_silence(scheduler: str, error: BaseException) -> DataError:
    said = str(error).strip().splitlines()
    why = said[0][:200] if said else type(error).__name__
    if isinstance(error, AttributeError):  # what a client that has closed raises says nothing about why
        why = "the connection to it was lost"
    return DataError(
        f"the Dask scheduler {scheduler} does not answer, or has no workers: {why}",
        "start it again with workers, and run the command again: what was published stays",
    )


@lru_cache(maxsize=1)
def describe_versions() -> tuple[tuple[str, str], ...]:
    """Return what the bits of results depend on: Python, libraries, and the product's own code."""
    return (
        ("python", ".".join(platform.python_version_tuple()[:2])),
        ("machine", platform.machine()),
        *((name, _version_of(name)) for name in _PACKAGES),
        ("code", _digest_code()),
    )


_clients: dict[str, Client] = {}
_connecting = Lock()


def _find_client(scheduler: str) -> Client:
    """Return the client of a scheduler that is kept, or a new one where there is none, or it has closed for good."""
    with _connecting:
        known = _clients.pop(scheduler, None)
        if known is None or known.status in {"closing", "closed"}:
            known = _connect(scheduler)
        _clients[scheduler] = known
        return known


def _connect(scheduler: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("the package distributed is not installed", _INSTALL) from None
    try:
        return Client(scheduler, set_as_default=False, timeout=_WAIT_S)
    # RuntimeError: no encryption where it is asked for. TypeError: no certificates where the address asks for them
    except (OSError, RuntimeError, TimeoutError, TypeError, ValueError) as error:
        said = str(error).strip().splitlines()
        raise DataError(
            f"the Dask scheduler {scheduler} cannot be reached: {said[0][:200] if said else type(error).__name__}",
            "start it, correct cluster.scheduler, or name its certificates (DASK_DISTRIBUTED__COMM__TLS__…)",
        ) from None


def _run(expected: tuple[tuple[str, str], ...], function: Callable[..., Any], *arguments: object) -> object:
    own = describe_versions()
    if own != expected:
        theirs = dict(expected)
        differing = [f"{name} {here} (the job: {theirs.get(name)})" for name, here in own if theirs.get(name) != here]
        raise ConfigError(
            f"a worker on {platform.node()} has {', '.join(differing)}",
            "install the same release and versions on all workers, and start them again",
        )
    return function(*arguments)


def _same(value: object) -> object:
    return value


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _digest_code() -> str:
    root = Path(__file__).resolve().parents[1]
    files = sorted(path for room in _ROOMS for path in (root / room).rglob("*.py"))
    return digest_parts((str(path.relative_to(root)), path.read_bytes().hex()) for path in files)[:12]
