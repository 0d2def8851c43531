"""The feature store as pairity uses it: apply definitions, read history, write and read online.

Feast is imported inside the functions: it takes seconds to load, and most commands do not need it.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, View, find_service, find_view
from feature_repo.feast_import import import_feast
from feature_repo.feast_profiles import REPOSITORY, read_profile
from feature_repo.offline_files import make_schema
from pairity.errors import ConfigError, DataError, JoinError, MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore, FeatureView

    from feature_repo.whole_row_store import WholeRowStore

_SCHEMA = "feast"
"""That of profiles/cluster.yaml."""
_ROW = "__row"


def open_store(settings: Settings) -> FeatureStore:
    """Open the store of the settings' profile, configured by the file that Feast's CLI reads (`feast_profiles`).

    LakeCorruptError where the registry cannot be read, or holds what Feast would run. On a cluster, DataError or
    ConfigError where PostgreSQL does not answer or refuses.
    """
    import_feast()
    from feast import FeatureStore, RepoConfig

    from feature_repo.postgres import ensure_schema, postgres_errors
    from feature_repo.registry_content import check_registry, read_registry

    raw = read_profile(settings)
    if settings.profile == "cluster":
        ensure_schema(raw["registry"]["path"], _SCHEMA)
        with postgres_errors(raw["registry"]["path"]):
            store = FeatureStore(config=RepoConfig(repo_path=REPOSITORY, **raw))
            # Feast leaves its connections open when the store goes
            weakref.finalize(store, store.registry.write_engine.dispose)
        # Read as it is stored: nothing of it has been run
        check_registry(store.registry.cached_registry_proto, _name_registry(store))
        return store
    with suppress(FileNotFoundError):
        read_registry(Path(raw["registry"]["path"]))
    return FeatureStore(config=RepoConfig(repo_path=REPOSITORY, **raw))


def apply_definitions(settings: Settings, store: FeatureStore) -> bool:
    """Register what the catalogue declares, as `feast apply` does; return whether anything had changed."""
    from feature_repo.entities import ENTITIES, PROJECT
    from feature_repo.feature_services import make_feature_services
    from feature_repo.feature_views import make_feature_views

    with _registry_errors(store):
        registered = _registered(store)
    views = make_feature_views(Layout.of(settings), settings.features.ttl)
    for name, declared in views.items():
        # Feast compares these notes of its own too; without them an unchanged view would look changed.
        if known := registered.get((type(declared).__name__, name)):
            declared.materialization_intervals = known.materialization_intervals
    wanted = {
        _name(item): item for item in (*ENTITIES.values(), *views.values(), *make_feature_services(views).values())
    }
    if registered == wanted:
        return False
    obsolete = [item for key, item in registered.items() if key not in wanted]
    with _registry_errors(store):
        store.apply([PROJECT, *wanted.values()], objects_to_delete=obsolete, partial=False)
    return True


def _registered(store: FeatureStore) -> dict[tuple[str, str], Any]:
    """Return entities (without Feast's own placeholder), views and services of the registry."""
    entities = [item for item in store.list_entities() if not item.name.startswith("__")]
    items = [*entities, *store.list_feature_views(), *store.list_feature_services()]
    return {_name(item): item for item in items}


def _name(item: Any) -> tuple[str, str]:  # noqa: ANN401 - entities, views and services
    return type(item).__name__, item.name


def read_historical(store: FeatureStore, service_name: str, entity_rows: pl.DataFrame) -> pl.DataFrame:
    """Return `entity_rows` with the features of a service as known at each row's `event_timestamp` (the decision time).

    `entity_rows`: the entity, event_timestamp and any other columns; they come back unchanged and in their order, with
    the service's features beside them. A feature is null where nothing was known, and where the newest known row is
    older than the TTL. Only rows created at or before the decision are seen. JoinError if other rows come back than
    went in.
    """
    declared = find_service(service_name)
    entity = find_view(declared.view).entity
    if taken := [name for name in declared.features if name in entity_rows.columns]:
        raise ConfigError(f"the entity rows have columns called {', '.join(taken)}", "rename them before the join")
    numbered = entity_rows.select(entity, EVENT_TIME).with_row_index(_ROW)
    job = store.get_historical_features(
        entity_df=numbered.to_pandas(), features=_service(store, service_name), filter_by_created_timestamp=True
    )
    joined = pl.DataFrame(pl.from_arrow(job.to_arrow()))
    if joined.height != numbered.height or not (joined[_ROW] == numbered[_ROW]).all():
        raise JoinError(
            f"{numbered.height} entity rows went into the join with {service_name}, {joined.height} came out of it, "
            "or in another order",
            "use the as-of offline store that feature_store.yaml names",
        )
    return entity_rows.hstack(joined.select(declared.features))


def write_online(store: FeatureStore, view_name: str, rows: pl.DataFrame) -> int:
    """Write the newest of `rows` per entity; return how many were written because nothing newer is stored.

    Rows are written whole: nulls overwrite older values. A row never replaces one with a later event time, nor a later
    version of the same event. Such a row is skipped here; stores of ours refuse it too, in case two processes
    write at once. DataError where columns are missing.
    """
    declared = find_view(view_name)
    if missing := [name for name in declared.columns if name not in rows.columns]:
        raise DataError(f"rows for the online view {view_name} lack {', '.join(missing)}", "write whole rows")
    schema = make_schema(declared)
    newest = rows.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    if newest[declared.entity].n_unique() < newest.height:
        newest = newest.sort(EVENT_TIME, CREATED_TIME).unique(declared.entity, keep="last", maintain_order=True)
    registered = _view(store, view_name)
    if newest.height and (own := _own(store)):
        return own.write_frame(store.config, registered, newest)
    return _write_unguarded(store, registered, declared, newest)


def read_online(
    store: FeatureStore, service_name: str, entities: Sequence[str], *, at: datetime | None = None
) -> pl.DataFrame:
    """Return what is stored now: one row per entity of `entities`, in their order.

    Columns: entity, event_timestamp (null: nothing stored), created_timestamp (null also where the online store keeps
    none), and the service's features, bit for bit as written. Feast applies no TTL to online reads: with `at`, rows
    that the offline store would not join to that instant any more, because their TTL is over, count as not stored.
    Whoever trades on these rows must check event_timestamp besides.
    """
    declared = find_service(service_name)
    declared_view = find_view(declared.view)
    registered = _view(store, declared.view)
    types = make_schema(declared_view)
    schema = {name: types[name] for name in (declared_view.entity, EVENT_TIME, CREATED_TIME, *declared.features)}
    if (own := _own(store)) and (frame := own.read_frame(store.config, registered, entities, schema)) is not None:
        return frame if at is None else _forget_stale(frame, registered.ttl, at)
    stored = _read(store, registered, declared_view, entities, declared.features)
    rows = [
        (
            name,
            event,
            created,
            *(None if values is None else _python(values.get(feature)) for feature in declared.features),
        )
        for name, (event, created, values) in zip(entities, stored, strict=True)
    ]
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame if at is None else _forget_stale(frame, registered.ttl, at)


def _forget_stale(frame: pl.DataFrame, ttl: timedelta | None, at: datetime) -> pl.DataFrame:
    """Return the rows with everything but their entity null where `at` is later than their TTL allows."""
    oldest = frame[EVENT_TIME].min()
    if not ttl or oldest is None or at - oldest <= ttl:  # type: ignore[operator]
        return frame
    _, *others = frame.columns  # the entity stays
    fresh = pl.lit(at) - pl.col(EVENT_TIME) <= ttl
    return frame.with_columns(pl.when(fresh).then(pl.col(name)).alias(name) for name in others)


def _own(store: FeatureStore) -> WholeRowStore | None:
    """Return the online store where it is one of ours, which read and write whole columns; None for Feast's."""
    from feature_repo.whole_row_store import WholeRowStore

    online = store.provider.online_store
    return online if isinstance(online, WholeRowStore) else None


def _write_unguarded(store: FeatureStore, registered: FeatureView, declared: View, newest: pl.DataFrame) -> int:
    """Write rows, one per entity, except where a newer one is stored; return how many.

    Between the look and the write another process may write: such a store has no guard of its own.
    """
    stored = _read(store, registered, declared, newest[declared.entity].to_list(), declared.feature_names[:1])
    ahead = [
        event is not None and (event, created or event) > (row[EVENT_TIME], row[CREATED_TIME] if created else event)
        for (event, created, _), row in zip(stored, newest.iter_rows(named=True), strict=True)
    ]
    due = newest.filter(~pl.Series(ahead, dtype=pl.Boolean))
    if due.height:
        store.provider.online_write_batch(store.config, registered, _rows_as_protos(declared, due), None)
    return due.height


def _read(
    store: FeatureStore, registered: FeatureView, declared: View, entities: Sequence[str], features: Sequence[str]
) -> list[tuple[datetime | None, datetime | None, Any]]:
    """Return (event time, created time, feature → proto) per entity; Feast's stores keep no created time (None)."""
    keys = [_entity_key(declared, name) for name in entities]
    if own := _own(store):
        return own.online_read_known(store.config, registered, keys, features)
    answer = store.provider.online_read(store.config, registered, keys, list(features))
    return [(event, None, values) for event, values in answer]


def _entity_key(declared: View, name: str) -> Any:  # noqa: ANN401 - Feast's generated message
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    return EntityKey(join_keys=[declared.entity], entity_values=[Value(string_val=name)])


def _rows_as_protos(declared: View, rows: pl.DataFrame) -> list[tuple[Any, dict[str, Any], datetime, datetime]]:
    """Return rows as Feast writes them; not through pandas, which turns nulls into NaN and integers into floats."""
    from feast.protos.feast.types.Value_pb2 import Value

    fields = {"float64": "double_val", "int64": "int64_val", "string": "string_val"}
    value_fields = {feature.name: fields[feature.dtype] for feature in declared.features}
    return [
        (
            _entity_key(declared, row[declared.entity]),
            {
                name: Value() if row[name] is None else Value(**{field: row[name]})
                for name, field in value_fields.items()
            },
            row[EVENT_TIME],
            row[CREATED_TIME],
        )
        for row in rows.iter_rows(named=True)
    ]


def _python(value: Any) -> float | int | str | None:  # noqa: ANN401 - Feast's generated message
    field = None if value is None else value.WhichOneof("val")
    return None if field is None else getattr(value, field)


def _view(store: FeatureStore, name: str) -> FeatureView:
    # Whatever is asked of the registry, it reads its file again when the copy in memory is too old.
    with _registry_errors(store):
        store.registry.list_permissions(store.project, allow_cache=True)
    for registered in store.registry.cached_registry_proto.feature_views:
        if (registered.spec.name, registered.spec.project) == (name, store.project):
            return _parse_view(registered.SerializeToString(deterministic=True))
    raise _not_applied("view", name, store)


@lru_cache(maxsize=64)
def _parse_view(content: bytes) -> FeatureView:
    """Return the view of a registry's entry; remembered, because Feast takes a millisecond for it."""
    from feast import FeatureView
    from feast.protos.feast.core.FeatureView_pb2 import FeatureView as FeatureViewProto

    return FeatureView.from_proto(FeatureViewProto.FromString(content))


def _service(store: FeatureStore, name: str) -> FeatureService:
    from feast.errors import FeatureServiceNotFoundException

    try:
        with _registry_errors(store):
            return store.get_feature_service(name, allow_cache=True)
    except FeatureServiceNotFoundException:
        raise _not_applied("service", name, store) from None


def _not_applied(kind: str, name: str, store: FeatureStore) -> MissingDataError:
    return MissingDataError(
        f"the feature {kind} {name} is not registered in {_name_registry(store)}",
        "run pairity ingest, or feast -c feature_repo apply",
    )


def _name_registry(store: FeatureStore) -> str:
    """Return where the registry is, without a password."""
    from feature_repo.postgres import name_database

    registry = store.config.registry
    return name_database(registry.path) if registry.registry_type == "sql" else str(registry.path)


def _registry_errors(store: FeatureStore) -> AbstractContextManager[None]:
    """Say what is wrong with a registry in PostgreSQL; the embedded one raises errors of its own."""
    from feature_repo.postgres import postgres_errors

    registry = store.config.registry
    return postgres_errors(registry.path) if registry.registry_type == "sql" else nullcontext()
