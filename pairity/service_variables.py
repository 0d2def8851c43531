"""Variables with which other programs' libraries reach the services of a cluster, for children that use these services.

Dask, libpq and the client of the object store are set up by their own variables. A child without them would connect in
another way than its parent, without the authority that its parent checks, or not at all. Each goes only to a child that
uses the service; the keys of a venue are among none of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pairity.settings import Settings

_AUTHORITIES = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR"})
"""Whom OpenSSL trusts; all of them ask it, or read the same variables."""
_LIBPQ = frozenset(
    {
        # TLS and who must be at the other end
        *("PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGSSLCRLDIR", "PGSSLSNI"),
        *("PGSSLNEGOTIATION", "PGSSLCERTMODE", "PGSSLMINPROTOCOLVERSION", "PGSSLMAXPROTOCOLVERSION"),
        *("PGREQUIRESSL", "PGREQUIREPEER", "PGREQUIREAUTH", "PGCHANNELBINDING", "PGGSSENCMODE", "PGKRBSRVNAME"),
        # Files that may say the same
        *("PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGPASSFILE"),
        *("PGHOSTADDR", "PGTARGETSESSIONATTRS"),
    }
)
_DASK = frozenset({"DASK_CONFIG", "DASK_ROOT_CONFIG", "DASK_TEMPORARY_DIRECTORY"})
_OF_DASK_CLIENT = "DASK_DISTRIBUTED__"
_STORE = "AWS_"
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
"""The client of the object store goes through them."""
_PUBLISHED = ".published"
"""Folder of a data directory that follows an object store, whatever the settings say now."""


def list_postgres_variables() -> dict[str, str]:
    """Return libpq's variables of this process that a child with a database's address needs besides."""
    return _find(lambda name: name in _LIBPQ or name in _AUTHORITIES)


def list_service_variables(settings: Settings) -> dict[str, str]:
    """Return the variables of this process that a child needs for the services which these settings use."""
    found: dict[str, str] = {}
    if settings.profile == "cluster":
        found |= list_postgres_variables()
        found |= _find(lambda name: name in _DASK or name.upper().startswith(_OF_DASK_CLIENT))
    if settings.cluster.lake is not None or (settings.root / _PUBLISHED).is_dir():
        found |= _find(lambda name: name.upper().startswith(_STORE) or name.upper() in _PROXIES or name in _AUTHORITIES)
    return found


def _find(is_wanted: Callable[[str], bool]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if is_wanted(name)}
