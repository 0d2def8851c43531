"""Jobs for the tests of comparisons: they leave numbers beside their inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.isolated_process import Answer, Job


def prepare(folder: str, size: int) -> None:
    np.save(Path(folder) / "input.npy", np.arange(size, dtype=np.float64))


def double(folder: str, _size: int) -> Job:
    return _leave(folder, "double", 2.0)


def double_nearly(folder: str, _size: int) -> Job:
    return _leave(folder, "double_nearly", 2.0 + 1e-12)


def triple(folder: str, _size: int) -> Job:
    return _leave(folder, "triple", 3.0)


def give_up_above_two(folder: str, size: int) -> Job:
    assert size <= 2, "too large"
    return _leave(folder, "give_up_above_two", 2.0)


def _leave(folder: str, name: str, factor: float) -> Job:
    numbers = np.load(Path(folder) / "input.npy")

    def job() -> Answer:
        product = factor * numbers

        def answer() -> str:
            np.save(Path(folder) / f"{name}.npy", product)
            return str(product.sum())

        return answer

    return job
