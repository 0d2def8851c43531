"""Fitting the two families on a year and a half of 45 pairs, against the bare libraries with the same parameters.

The forest's peer is scikit-learn's RandomForestClassifier on a plain matrix, which must predict the same numbers to the
last bit. The boosting's peer is one `lightgbm.train`: ours chooses among four candidates on three purged folds and then
fits, thirteen fits in all, so that it cannot be as fast; the ratio says what the choice costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.case import Case
from benchmarks.isolated_process import Alone, Job
from feature_repo.catalog import PAIR_FOREST_FEATURES
from feature_repo.model_matrix import build_model_matrix
from pairity.digest import digest_bytes
from pairity.settings import ModelSettings, Settings
from pairity.timeline import HOUR
from pairity.universe import DEFAULT_UNIVERSE, pairs_of
from training.forest_fit import fit_forest
from training.models import pair_boosting, pair_forest

HOURS = 12_300
SMALL_HOURS = 1_000
THREADS = (1, 2)
TREES = 60
"""Of the forest's 300: each tree is fitted by itself, so that time grows with their number. The whole forest is fitted
once, beside the table."""
_START = datetime(2024, 1, 1, tzinfo=UTC)
_SEEN = 20_000
"""Rows that are predicted, to compare the answers; their time is not the fit's but is the same small part of both."""
_SERVICE = PAIR_FOREST_FEATURES
_CATEGORIES = pair_forest.CATEGORIES


def rows(hours: int) -> pl.DataFrame:
    """Labelled rows of all pairs, hour by hour: normal features, a fiftieth of them missing, and a label that three of
    them and the pair have to do with."""
    generator = np.random.default_rng(11)
    pairs = pairs_of(DEFAULT_UNIVERSE)
    count = hours * len(pairs)
    numbers = [name for name in _SERVICE.features if name not in _CATEGORIES]
    values = {name: generator.normal(size=count) for name in numbers}
    pair = np.tile(np.arange(len(pairs)), hours)
    score = values["z_score"] * values["correlation_168h"] + values["spread_rsi"] + (pair % 7 - 3) / 3
    label = (score + generator.normal(0, 2, count) > 1).astype(np.int8)
    for name in numbers:
        values[name][generator.random(count) < 0.02] = np.nan
    times = pl.datetime_range(
        _START, _START + (hours - 1) * HOUR, "1h", eager=True, time_unit="us", time_zone="UTC"
    ).repeat_by(len(pairs)).explode(empty_as_null=False, keep_nulls=False)  # fmt: skip
    names = {name: pl.Series([getattr(p, name) for p in pairs]).gather(pair) for name in ("pair_id", "base", "quote")}
    return pl.DataFrame({
        "pair_id": names["pair_id"], "event_timestamp": times, "base_asset": names["base"],
        "quote_asset": names["quote"], **values, "label": label,
    }).with_columns(
        pl.col("event_timestamp").alias("t0"),
        (pl.col("event_timestamp") + Settings().label.horizon_bars * timedelta(hours=1)).alias("t1"),
    )  # fmt: skip


def forest(hours: int, threads: int, trees: int) -> Job:
    import sklearn.compose
    import sklearn.ensemble  # noqa: F401 - imports are not timed

    labelled, settings = rows(hours), Settings(model=ModelSettings(n_estimators=trees))

    def job() -> str:
        fitted = fit_forest(labelled, _SERVICE, settings, fit_threads=threads)
        return _digest(pair_forest.predict(fitted, build_model_matrix(labelled.head(_SEEN), _SERVICE)))

    return job


def plain_forest(hours: int, threads: int, trees: int) -> Job:
    """The same parameters on a matrix in which the assets are already numbers, in the order of our pipeline's."""
    from sklearn.ensemble import RandomForestClassifier

    labelled, settings = rows(hours), Settings().model
    matrix, label = _numbers(labelled), labelled["label"].to_numpy()

    def job() -> str:
        model = RandomForestClassifier(
            n_estimators=trees, max_depth=settings.max_depth, n_jobs=threads,
            min_samples_leaf=settings.min_samples_leaf, class_weight={0: 1.0, 1: settings.positive_weight},
            random_state=settings.seed,
        )  # fmt: skip
        model.fit(matrix, label)
        model.set_params(n_jobs=1)
        return _digest(model.predict_proba(matrix[:_SEEN])[:, 1])

    return job


def boosting(hours: int, threads: int) -> Job:
    import lightgbm  # noqa: F401 - imports are not timed

    labelled = rows(hours)
    return lambda: _text_digest(pair_boosting.fit(labelled, _SERVICE, Settings(), threads=threads).text, threads)


def plain_boosting(hours: int, threads: int) -> Job:
    import lightgbm

    labelled = rows(hours)
    matrix, label = _numbers(labelled), labelled["label"].to_numpy()
    parameters = {
        "objective": "binary", "learning_rate": 0.05, "feature_fraction": 0.7, "bagging_fraction": 0.7,
        "bagging_freq": 1, "lambda_l2": 10.0, "num_leaves": 31, "min_data_in_leaf": 100, "deterministic": True,
        "force_row_wise": True, "seed": Settings().model.seed, "num_threads": threads, "verbosity": -1,
    }  # fmt: skip

    def job() -> str:
        data = lightgbm.Dataset(matrix, label=label, categorical_feature=list(range(len(_CATEGORIES))))
        return _text_digest(lightgbm.train(parameters, data, num_boost_round=120).model_to_string(), threads)

    return job


def cases(_scratch: Path, *, small: bool = False) -> Iterator[Case]:
    hours = SMALL_HOURS if small else HOURS
    size = f"{hours * len(pairs_of(DEFAULT_UNIVERSE)):,} rows × {len(_SERVICE.features)} features"
    trees = Settings().model.n_estimators
    whole = Alone(__name__, "forest", (hours, THREADS[-1], trees))
    peer = f"scikit-learn {version('scikit-learn')} RandomForestClassifier, plain matrix"
    ours, plain = _jobs("forest", hours, TREES)

    def forest_note() -> str:
        _require_equal(ours, "the number of threads changed the forest")
        _require_equal(ours | {0: plain[1]}, "the plain forest predicts something else")
        return (
            "forest: the same probabilities to the last bit with one thread, two, and by the plain forest; all "
            f"{trees} trees, {_threads(THREADS[-1])}: {whole.seconds():.1f} s, peak memory {whole.memory()}"
        )

    yield from _rows("forest", f"forest of {trees} trees, {size}", peer, ours, plain, trees // TREES, forest_note)
    ours, plain = _jobs("boosting", hours)

    def boosting_note() -> str:
        _require_equal(ours, "the number of threads changed the boosting")
        _require_equal(plain, "the number of threads changed the plain boosting")
        return "boosting: the same model text with one thread and two, but for the line that records their number"

    peer = f"LightGBM {version('lightgbm')} train, one fit"
    yield from _rows("boosting", f"boosting tuned and fitted (13 fits), {size}", peer, ours, plain, 1, boosting_note)


def _jobs(job: str, *arguments: int) -> tuple[dict[int, Alone], dict[int, Alone]]:
    """Ours and the plain library's, by threads."""
    hours, *more = arguments
    ours, plain = (
        {threads: Alone(__name__, name, (hours, threads, *more)) for threads in THREADS}
        for name in (job, f"plain_{job}")
    )
    return ours, plain


def _rows(
    job: str, name: str, peer: str, ours: dict[int, Alone], plain: dict[int, Alone], scale: int,
    last_note: Callable[[], str],
) -> Iterator[Case]:  # fmt: skip
    """One line per number of threads, each of one run; `scale`: what the times are multiplied with."""
    how = f"one run of {TREES} trees, times {scale}" if scale > 1 else "one run"

    def note(threads: int) -> str:
        memory = f"{job}, {_threads(threads)}: {ours[threads].memory()}; peer: {plain[threads].memory()}"
        return f"peak memory, {memory}" + (f"\n- {last_note()}" if threads == THREADS[-1] else "")

    for threads in THREADS:
        yield Case(
            f"{name}, {_threads(threads)} ({how})", _never, peer, _never, lambda: None, 1, 1,
            peer_seconds=lambda alone=plain[threads]: scale * alone.seconds(),
            ours_seconds=lambda alone=ours[threads]: scale * alone.seconds(),
            note=lambda threads=threads: note(threads),
        )  # fmt: skip


def _require_equal(jobs: dict[int, Alone], what: str) -> None:
    if len({alone.answer for alone in jobs.values()}) > 1:
        raise AssertionError(what)


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _never() -> None:
    raise AssertionError("runs in a process of its own")


def _numbers(labelled: pl.DataFrame) -> np.ndarray:
    """The model matrix as bare numbers: the assets first, as their places in the universe."""
    matrix = build_model_matrix(labelled, _SERVICE)
    places = {asset: place for place, asset in enumerate(DEFAULT_UNIVERSE)}
    assets = [matrix[name].map(places).to_numpy(np.float64) for name in _CATEGORIES]
    rest = matrix.drop(columns=list(_CATEGORIES)).to_numpy(np.float64)
    return np.ascontiguousarray(np.column_stack([*assets, rest]))


def _digest(values: np.ndarray) -> str:
    return digest_bytes(np.ascontiguousarray(values).tobytes())


def _text_digest(model: str, threads: int) -> str:
    """LightGBM writes the number of threads among the parameters."""
    return digest_bytes(model.replace(f"[num_threads: {threads}]", "").encode())
