"""Compilation of numeric kernels.

Kernels are plain loops over arrays that add from left to right in one thread. Nothing is reordered or fused, so their
bits depend on their input alone, and not on the processor, the block size or the number of threads. Division by zero
gives infinity or NaN, as in IEEE arithmetic. Kernels release the interpreter's lock: other threads run beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Return `function` compiled at its first call, with its machine code kept on disk for the next process.

    The code is kept beside the module or in the user's cache directory. Where neither can be written, each process
    compiles anew.
    """
    # No fastmath and no parallel: both let the compiler change the order of a sum. error_model "numpy": a division by
    # zero is a value (NaN in the end), not an exception in the middle of a loop.
    try:
        kernel: F = njit(cache=True, error_model="numpy", nogil=True)(function)
    except RuntimeError:  # no place for the cache
        kernel = njit(error_model="numpy", nogil=True)(function)
    return kernel
