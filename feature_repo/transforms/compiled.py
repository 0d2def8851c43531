"""Compilation of numeric kernels.

Kernels are plain loops over arrays, summed from left to right in one thread: no reordering, no fused operations, so
their bits depend on their input alone, not on the processor, the block size or the number of threads. Division by
zero gives what it gives in IEEE arithmetic: infinity or NaN. Kernels let other threads of the interpreter run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile at the first call, and keep the machine code where a folder for it can be written.

    Beside the module or in the user's cache directory; where neither can be written, each process compiles anew.
    """
    try:
        kernel: F = njit(cache=True, error_model="numpy", nogil=True)(function)
    except RuntimeError:  # no place for the cache
        kernel = njit(error_model="numpy", nogil=True)(function)
    return kernel
