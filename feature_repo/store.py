"""The feature store as pairity uses it: apply, history, online write and read. Feast is imported when it is needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.catalog import EVENT_TIME, VIEWS, service, view
from pairity.errors import DataError, JoinError
from pairity.layout import Layout
from pairity.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

REPOSITORY = Path(__file__).parent
_TIME = pl.Datetime("us", "UTC")


def open_store(settings: Settings) -> FeatureStore:
    """The store of `settings`' data directory, configured by the feature_store.yaml that Feast's CLI reads."""
    os.environ.setdefault("FEAST_USAGE", "False")
    import yaml
    from feast import FeatureStore, RepoConfig

    raw = yaml.safe_load((REPOSITORY / "feature_store.yaml").read_text())
    for section in ("registry", "online_store"):
        raw[section]["path"] = str(settings.root / raw[section]["path"])
    return FeatureStore(config=RepoConfig(repo_path=REPOSITORY, **raw))


def apply(settings: Settings, store: FeatureStore) -> bool:
    """Register entities, views and services; returns whether anything had changed."""
    from feature_repo.entities import ENTITIES
    from feature_repo.feature_services import feature_services
    from feature_repo.feature_views import feature_views

    views = feature_views(Layout.of(settings), settings.features.ttl)
    services = feature_services(views)
    Layout.of(settings).feast.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, Any] = {**views, **services}
    if not _is_applied(store, wanted):
        store.apply([*ENTITIES.values(), *views.values(), *services.values()])
        return True
    return False


def historical(store: FeatureStore, service_name: str, entity_rows: pl.DataFrame) -> pl.DataFrame:
    """Features of a service as known at each row's `event_timestamp` (the decision time).

    `entity_rows`: the entity, event_timestamp and any other columns; they come back unchanged, in their order, with the
    service's features beside them (null where nothing was known, or what was known is older than the TTL). Only rows
    created at or before the decision are seen. JoinError if as many rows do not come back as went in.
    """
    declared = service(service_name)
    entity = view(declared.view).entity
    numbered = entity_rows.with_row_index("__row")
    job = store.get_historical_features(
        entity_df=numbered.select("__row", entity, EVENT_TIME).to_pandas(),
        features=store.get_feature_service(service_name),
        filter_by_created_timestamp=True,
    )
    joined = pl.DataFrame(pl.from_arrow(job.to_arrow()))
    if joined.height != entity_rows.height or joined["__row"].to_list() != numbered["__row"].to_list():
        raise JoinError(
            f"{entity_rows.height} entity rows went into the join with {service_name}, {joined.height} came out of it, "
            "or in another order",
            "use the as-of offline store that feature_store.yaml names",
        )
    return entity_rows.hstack(joined.select(declared.features))


def write_online(store: FeatureStore, view_name: str, rows: pl.DataFrame) -> int:
    """Write the newest of `rows` per entity and return how many; an older event never replaces a newer one."""
    declared = view(view_name)
    if missing := [name for name in declared.columns if name not in rows.columns]:
        raise DataError(f"rows for the online view {view_name} lack {', '.join(missing)}", "write whole rows")
    newest = rows.select(declared.columns).sort(EVENT_TIME, "created_timestamp")
    newest = newest.unique(declared.entity, keep="last", maintain_order=True)
    stored = _stored_times(store, view_name, newest[declared.entity].to_list())
    times = pl.Series("__stored", stored, dtype=_TIME)
    fresh = newest.with_columns(times).filter(pl.col("__stored").is_null() | (pl.col("__stored") <= pl.col(EVENT_TIME)))
    if fresh.height:
        store.write_to_online_store(view_name, fresh.drop("__stored").to_pandas(), allow_registry_cache=True)
    return fresh.height


def read_online(store: FeatureStore, service_name: str, entities: Sequence[str]) -> pl.DataFrame:
    """What is stored now for each entity, in their order: entity, event_timestamp (null: nothing stored), features.

    Feast applies no TTL to online reads: whoever trades on these rows must look at event_timestamp.
    """
    declared = service(service_name)
    entity = view(declared.view).entity
    answer = store.get_online_features(
        features=store.get_feature_service(service_name, allow_cache=True),
        entity_rows=[{entity: name} for name in entities],
    ).to_dict(include_event_timestamps=True)
    types = {feature.name: feature.dtype for feature in view(declared.view).features}
    polars_types = {"float64": pl.Float64, "int64": pl.Int64, "string": pl.String}
    features = [pl.Series(name, answer[name], dtype=polars_types[types[name]]) for name in declared.features]
    seconds = pl.Series(EVENT_TIME, answer[f"{declared.features[0]}__ts"], dtype=pl.Int64)
    known = pl.when(pl.col(EVENT_TIME) > 0).then(pl.from_epoch(pl.col(EVENT_TIME), "s").cast(pl.Datetime("us")))
    frame = pl.DataFrame([pl.Series(entity, list(entities), dtype=pl.String), seconds, *features])
    return frame.with_columns(known.dt.replace_time_zone("UTC").alias(EVENT_TIME))


def _stored_times(store: FeatureStore, view_name: str, entities: Sequence[str]) -> list[Any]:
    name = next(item.name for item in VIEWS[view_name].features)
    answer = store.get_online_features(
        features=[f"{view_name}:{name}"], entity_rows=[{VIEWS[view_name].entity: entity} for entity in entities]
    ).to_dict(include_event_timestamps=True)
    from datetime import UTC, datetime

    return [datetime.fromtimestamp(seconds, UTC) if seconds else None for seconds in answer[f"{name}__ts"]]


def _is_applied(store: FeatureStore, wanted: dict[str, Any]) -> bool:
    registered = {item.name: item for item in (*store.list_feature_views(), *store.list_feature_services())}
    return set(registered) == set(wanted) and all(registered[name] == item for name, item in wanted.items())
