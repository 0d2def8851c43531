"""Fits and trials that do not need each other: one after the other here, or beside each other on Dask's workers.

A case is a call of one function with data alone, and changes nothing outside of itself, so that it does not matter
where it runs, or how often. What a case starts inside of itself runs where the case does: a worker that waited for
others' work could wait for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from feature_repo.cluster_workers import connect_workers
from pairity.settings import Settings


def run_cases(
    settings: Settings,
    name: str,
    function: Callable[..., Any],
    cases: Iterable[tuple[object, ...]],
    *,
    shared: tuple[object, ...] = (),
) -> Iterator[Any]:
    """Yield `function(settings, *shared, *case)` of each case, in order; on workers in the cluster profile.

    `shared` goes to the cluster once, however many cases there are. `name` is what Dask's own pages show. What a case
    raises is raised here, at its place. Errors of the cluster: as `Workers`.
    """
    if settings.profile != "cluster":
        for case in cases:
            yield function(settings, *shared, *case)
        return
    assert settings.cluster.scheduler is not None
    workers = connect_workers(settings.cluster.scheduler)
    sent = settings.model_copy(update={"home": settings.root, "profile": "embedded"})
    # Tasks, not values scattered to workers: those would be lost with a worker, these are made again
    kept = [workers.keep(f"{name}-of-all-{number}", value) for number, value in enumerate(shared, 1)]
    futures = [workers.submit(f"{name}-{number}", function, sent, *kept, *case) for number, case in enumerate(cases, 1)]
    for future in futures:
        yield from workers.gather([future])
