"""Environment of child processes: what is on a list goes to them, everything else stays here.

A process that is started inherits the whole environment unless one says otherwise: the exchange keys, and those of
every other program that the owner uses. So no child of the product inherits it. `tests/house` looks for others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pairity.polars_threads import without_own_limit

_ALLOWED = frozenset(
    {
        # Where programs, homes, scratch space and caches are
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TEMP", "TMP"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"),
        *("MPLCONFIGDIR", "NUMBA_CACHE_DIR"),
        # Language, time zone, terminal
        *("LANG", "LANGUAGE", "TZ", "TERM", "COLUMNS", "LINES", "NO_COLOR"),
        # The interpreter and its libraries
        *("VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONHASHSEED", "PYTHONUNBUFFERED", "PYTHONUTF8", "PYTHONIOENCODING"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONWARNINGS"),
        # How many threads, and what those that wait do
        *("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"),
        *("NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT", "LOKY_MAX_CPU_COUNT", "MPLBACKEND"),
        # What keeps libraries from calling home and from chatting
        *("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "DO_NOT_TRACK", "GIT_PYTHON_REFRESH"),
        *("GX_ANALYTICS_ENABLED", "FEAST_USAGE"),
    }
)
_ALLOWED_PREFIX = "LC_"


def make_child_environment(added: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a child: the allowed variables of this process, and `added` over them.

    No setting is among the allowed ones: whoever starts a child that needs some adds them, and the exchange keys only
    where the child trades.
    """
    allowed = {
        name: value for name, value in os.environ.items() if name in _ALLOWED or name.startswith(_ALLOWED_PREFIX)
    }
    return without_own_limit(allowed) | dict(added or {})


@contextmanager
def only_allowed_variables() -> Iterator[None]:
    """Hide everything else from this process too while the block runs: for starts that take no environment.

    `multiprocessing` has no way to give its processes another environment than that of their parent. Not for code
    beside which other threads read the environment.
    """
    before = dict(os.environ)
    hidden = before.keys() - make_child_environment().keys()
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        for name in hidden:
            os.environ.setdefault(name, before[name])
