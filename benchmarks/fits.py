"""Fitting the two families on a year and a half of 45 pairs, against the bare libraries with the same parameters.

The forest's peer is scikit-learn's RandomForestClassifier on a plain matrix, which must predict the same numbers to the
last bit. The boosting's peer is one `lightgbm.train`. Ours chooses among four candidates on three purged folds and then
fits: thirteen fits in all. It cannot be as fast; the ratio says what the choice costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.case import Case
from benchmarks.isolated_process import IsolatedJob, Job
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
"""Trees fitted per round, of the forest's 300. Each tree is fitted by itself, so that time grows with their number. The
whole forest is fitted once, for the note below the table."""
_START = datetime(2024, 1, 1, tzinfo=UTC)
_SEEN = 20_000
"""Rows predicted to compare the answers. Their time does not belong to the fit but is the same small part of both."""
_SERVICE = PAIR_FOREST_FEATURES
_CATEGORIES = pair_forest.CATEGORIES


def make_rows(hours: int) -> pl.DataFrame:
    """Return labelled rows of all pairs, hour by hour.

    Features are normal, a fiftieth of them missing; the label depends on three of them and on the pair.
    """
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
    times = (
        pl.datetime_range(_START, _START + (hours - 1) * HOUR, "1h", eager=True, time_unit="us", time_zone="UTC")
        .repeat_by(len(pairs))
        .explode(empty_as_null=False, keep_nulls=False)
    )
    names = {name: pl.Series([getattr(p, name) for p in pairs]).gather(pair) for name in ("pair_id", "base", "quote")}
    return pl.DataFrame(
        {
            "pair_id": names["pair_id"],
            "event_timestamp": times,
            "base_asset": names["base"],
            "quote_asset": names["quote"],
            **values,
            "label": label,
        }
    ).with_columns(
        pl.col("event_timestamp").alias("t0"),
        (pl.col("event_timestamp") + Settings().label.horizon_bars * timedelta(hours=1)).alias("t1"),
    )


def fit_our_forest(hours: int, threads: int, trees: int) -> Job:
    import sklearn.compose
    import sklearn.ensemble  # noqa: F401 - imports are not timed

    labelled, settings = make_rows(hours), Settings(model=ModelSettings(n_estimators=trees))

    def job() -> str:
        fitted = fit_forest(labelled, _SERVICE, settings, fit_threads=threads)
        return _digest_values(
            pair_forest.predict_probability(fitted, build_model_matrix(labelled.head(_SEEN), _SERVICE))
        )

    return job


def fit_plain_forest(hours: int, threads: int, trees: int) -> Job:
    """Fit with the same parameters on a matrix in which assets are already numbers, in the order of our pipeline."""
    from sklearn.ensemble import RandomForestClassifier

    labelled, settings = make_rows(hours), Settings().model
    matrix, label = make_plain_matrix(labelled), labelled["label"].to_numpy()

    def job() -> str:
        model = RandomForestClassifier(
            n_estimators=trees,
            max_depth=settings.max_depth,
            n_jobs=threads,
            min_samples_leaf=settings.min_samples_leaf,
            class_weight={0: 1.0, 1: settings.positive_weight},
            random_state=settings.seed,
        )
        model.fit(matrix, label)
        model.set_params(n_jobs=1)
        return _digest_values(model.predict_proba(matrix[:_SEEN])[:, 1])

    return job


def fit_our_boosting(hours: int, threads: int) -> Job:
    import lightgbm  # noqa: F401 - imports are not timed

    labelled = make_rows(hours)
    return lambda: _digest_text(
        pair_boosting.fit_boosting(labelled, _SERVICE, Settings(), threads=threads).text, threads
    )


def fit_plain_boosting(hours: int, threads: int) -> Job:
    import lightgbm

    labelled = make_rows(hours)
    matrix, label = make_plain_matrix(labelled), labelled["label"].to_numpy()
    parameters = {
        "objective": "binary",
        "learning_rate": 0.05,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 10.0,
        "num_leaves": 31,
        "min_data_in_leaf": 100,
        "deterministic": True,
        "force_row_wise": True,
        "seed": Settings().model.seed,
        "num_threads": threads,
        "verbosity": -1,
    }

    def job() -> str:
        data = lightgbm.Dataset(data=matrix, label=label, categorical_feature=list(range(len(_CATEGORIES))))
        return _digest_text(lightgbm.train(parameters, data, num_boost_round=120).model_to_string(), threads)

    return job


def cases(_scratch: Path, *, small: bool = False) -> Iterator[Case]:
    hours = SMALL_HOURS if small else HOURS
    size = f"{hours * len(pairs_of(DEFAULT_UNIVERSE)):,} rows × {len(_SERVICE.features)} features"
    trees = Settings().model.n_estimators
    whole = IsolatedJob(__name__, "fit_our_forest", (hours, THREADS[-1], trees))
    peer = f"scikit-learn {version('scikit-learn')} RandomForestClassifier, plain matrix"
    ours, plain = _make_jobs("forest", hours, TREES)

    def forest_note() -> str:
        _require_equal(ours, "the number of threads changed the forest")
        _require_equal(ours | {0: plain[1]}, "the plain forest predicts something else")
        return (
            "forest: the same probabilities to the last bit with one thread, two, and by the plain forest; all "
            f"{trees} trees, {_format_threads(THREADS[-1])}: {whole.seconds():.1f} s, peak memory {whole.memory()}"
        )

    yield from _make_cases("forest", f"forest of {trees} trees, {size}", peer, ours, plain, trees // TREES, forest_note)
    ours, plain = _make_jobs("boosting", hours)

    def boosting_note() -> str:
        _require_equal(ours, "the number of threads changed the boosting")
        _require_equal(plain, "the number of threads changed the plain boosting")
        return "boosting: the same model text with one thread and two, but for the line that records their number"

    peer = f"LightGBM {version('lightgbm')} train, one fit"
    yield from _make_cases(
        "boosting", f"boosting tuned and fitted (13 fits), {size}", peer, ours, plain, 1, boosting_note
    )


def _make_jobs(job: str, *arguments: int) -> tuple[dict[int, IsolatedJob], dict[int, IsolatedJob]]:
    """Return our jobs and the plain library's, each by its number of threads."""
    hours, *more = arguments
    ours, plain = (
        {threads: IsolatedJob(__name__, name, (hours, threads, *more)) for threads in THREADS}
        for name in (f"fit_our_{job}", f"fit_plain_{job}")
    )
    return ours, plain


def _make_cases(
    job: str,
    name: str,
    peer: str,
    ours: dict[int, IsolatedJob],
    plain: dict[int, IsolatedJob],
    scale: int,
    last_note: Callable[[], str],
) -> Iterator[Case]:
    """Yield one line per number of threads, each of one run; times are multiplied with `scale`."""
    how = f"one run of {TREES} trees, times {scale}" if scale > 1 else "one run"

    def note(threads: int) -> str:
        memory = f"{job}, {_format_threads(threads)}: {ours[threads].memory()}; peer: {plain[threads].memory()}"
        return f"peak memory, {memory}" + (f"\n- {last_note()}" if threads == THREADS[-1] else "")

    for threads in THREADS:
        yield Case(
            name=f"{name}, {_format_threads(threads)} ({how})",
            ours=_refuse,
            peer=peer,
            theirs=_refuse,
            check=lambda: None,
            peer_rounds=1,
            rounds=1,
            peer_seconds=lambda alone=plain[threads]: scale * alone.seconds(),
            ours_seconds=lambda alone=ours[threads]: scale * alone.seconds(),
            note=lambda threads=threads: note(threads),
        )


def _require_equal(jobs: dict[int, IsolatedJob], what: str) -> None:
    if len({alone.answer for alone in jobs.values()}) > 1:
        raise AssertionError(what)


def _format_threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _refuse() -> None:
    raise AssertionError("runs in a process of its own")


def make_plain_matrix(labelled: pl.DataFrame) -> np.ndarray:
    """Return the model matrix as bare numbers: the assets first, as their places in the universe."""
    matrix = build_model_matrix(labelled, _SERVICE)
    places = {asset: place for place, asset in enumerate(DEFAULT_UNIVERSE)}
    assets = [matrix[name].map(places).to_numpy(np.float64) for name in _CATEGORIES]
    rest = matrix.drop(columns=list(_CATEGORIES)).to_numpy(np.float64)
    return np.ascontiguousarray(np.column_stack([*assets, rest]))


def _digest_values(values: np.ndarray) -> str:
    return digest_bytes(np.ascontiguousarray(values).tobytes())


def _digest_text(model: str, threads: int) -> str:
    """Digest a model text without its number of threads, which LightGBM writes among the parameters."""
    return digest_bytes(model.replace(f"[num_threads: {threads}]", "").encode())
