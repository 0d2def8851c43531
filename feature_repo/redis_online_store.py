"""The cluster's online store: whole rows in Redis, with the times, bits and guard of the embedded store.

Feast's own Redis store keeps times as whole seconds and drops a correction of an event that it has. Here an entity is
one hash. A field is the set of features that were written together, its value the times, the number of the write and
the content as `feature_repo.online_content` packs it. The guard against going back in time runs inside Redis, so that
it holds for several processes at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import redis
from feast.entity import Entity
from feast.feature_view import FeatureView
from feast.infra.infra_object import InfraObject
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import SecretStr

from feature_repo.online_content import pack_values, unpack_values
from feature_repo.online_tables import StoredRow
from feature_repo.whole_row_store import Batches, WholeRowStore, name_table
from pairity.errors import DataError

_KEYS_AT_ONCE = 5_000
_TIMEOUT_S = 10.0
# Microseconds since the epoch are below 2⁵³: Lua's numbers, which are floats, compare them exactly.
_WRITE = """
local function read(value)
  local event, created, write = string.match(value, '^(%-?%d+):(%-?%d*):(%d+):')
  return tonumber(event), tonumber(created) or 0, tonumber(write)
end
local function is_older(event, created, write, than_event, than_created, than_write)
  if event ~= than_event then return event < than_event end
  if created ~= than_created then return created < than_created end
  return write < than_write
end
local event, created, write = read(ARGV[2])
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local written = 0
if not stored or not is_older(event, created, write, read(stored)) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  written = 1
end
-- Rows of fewer features go where this one has a newer value of each of them
event, created, write = read(redis.call('HGET', KEYS[1], ARGV[1]))
local own = {}
for _, name in ipairs(cjson.decode(ARGV[1])) do own[name] = true end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if field ~= ARGV[1] then
    local covered = true
    for _, name in ipairs(cjson.decode(field)) do covered = covered and own[name] end
    if covered then
      local than_event, than_created, than_write = read(redis.call('HGET', KEYS[1], field))
      if is_older(than_event, than_created, than_write, event, created, write) then
        redis.call('HDEL', KEYS[1], field)
      end
    end
  end
end
return written
"""


class NewestRedisOnlineStoreConfig(FeastConfigBaseModel):
    """`online_store:` section of profiles/cluster.yaml."""

    type: Literal["feature_repo.redis_online_store.NewestRedisOnlineStore"] = (
        "feature_repo.redis_online_store.NewestRedisOnlineStore"
    )
    address: str
    """redis://host:port/number, or rediss:// with TLS; without a password."""
    password: SecretStr | None = None


class NewestRedisOnlineStore(WholeRowStore):
    """Redis online store in which the newest value wins, whatever the order of writes."""

    _client: redis.Redis | None = None

    def plan(self, config: RepoConfig, desired_registry_proto: RegistryProto) -> list[InfraObject]:
        """Nothing to plan: a hash is made when it is first written."""
        return []

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Drop the rows of views that are gone, and forget features that are gone."""
        with self._connected(config) as client:
            for table in tables_to_keep:
                declared = {field.name for field in table.features}
                for key in client.scan_iter(_prefix(config, table) + b"*", count=_KEYS_AT_ONCE):
                    client.transaction(lambda pipe, key=key, declared=declared: _forget(pipe, key, declared), key)
            for table in tables_to_delete:
                _drop(client, config, table)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Drop the rows of the views."""
        with self._connected(config) as client:
            for table in tables:
                _drop(client, config, table)

    def write_batches(self, config: RepoConfig, table: FeatureView, batches: Batches) -> int:
        """Write rows in one transaction; return how many were written because nothing newer was stored."""
        prefix = _prefix(config, table)
        with self._connected(config) as client:
            script = client.register_script(_WRITE)
            pipe = client.pipeline(transaction=True)
            for features, rows in batches:
                if not features:
                    continue
                field, write = _name_set(features), client.incr(_counter(config))
                for key, event, created, content in rows:
                    known = "" if created is None else created
                    script([prefix + key], [field, f"{event}:{known}:{write}:".encode() + content], client=pipe)
            return sum(pipe.execute())

    def read_stored(
        self, config: RepoConfig, table: FeatureView, keys: Sequence[bytes]
    ) -> tuple[list[StoredRow], Mapping[int, Sequence[str]]]:
        """Return the rows of some entities, in no order, and the features of every set that they name."""
        prefix, distinct = _prefix(config, table), list(dict.fromkeys(keys))
        rows: list[StoredRow] = []
        numbers: dict[bytes, int] = {}
        with self._connected(config) as client:
            for start in range(0, len(distinct), _KEYS_AT_ONCE):
                some = distinct[start : start + _KEYS_AT_ONCE]
                pipe = client.pipeline(transaction=False)
                for key in some:
                    pipe.hgetall(prefix + key)
                for key, fields in zip(some, pipe.execute(), strict=True):
                    for field, value in fields.items():
                        rows.append(_parse(key, numbers.setdefault(field, len(numbers)), value))
        return rows, {number: tuple(json.loads(field)) for field, number in numbers.items()}

    @contextmanager
    def _connected(self, config: RepoConfig) -> Iterator[redis.Redis]:
        """Yield the client, which connects anew after a restart; DataError where Redis does not answer or refuses."""
        online = config.online_store
        secret = online.password
        try:
            if self._client is None:
                self._client = redis.Redis.from_url(
                    online.address,
                    password=(secret.get_secret_value() or None) if secret is not None else None,
                    socket_timeout=_TIMEOUT_S,
                    socket_connect_timeout=_TIMEOUT_S,
                )
            yield self._client
        except redis.AuthenticationError as error:
            raise DataError(
                f"the online store {online.address} refuses the password: {error}",
                "correct PAIRITY_CLUSTER__REDIS_PASSWORD",
            ) from None
        except redis.RedisError as error:
            raise DataError(
                f"the online store {online.address} does not answer: {error}",
                "start Redis again; what it lost is in the offline files, and `pairity features` writes it anew",
            ) from None


def _prefix(config: RepoConfig, table: FeatureView) -> bytes:
    return f"{name_table(config, table)}:".encode()


def _counter(config: RepoConfig) -> str:
    return f"{config.project}|writes"


def _name_set(features: Sequence[str]) -> bytes:
    return json.dumps(list(features), separators=(",", ":")).encode()


def _parse(key: bytes, number: int, value: bytes) -> StoredRow:
    event, created, write, content = value.split(b":", 3)
    return StoredRow(
        key=key,
        feature_set=number,
        event=int(event),
        created=int(created) if created else None,
        write=int(write),
        content=content,
    )


def _drop(client: redis.Redis, config: RepoConfig, table: FeatureView) -> None:
    for key in client.scan_iter(_prefix(config, table) + b"*", count=_KEYS_AT_ONCE):
        client.unlink(key)


def _forget(pipe: Any, key: bytes, declared: set[str]) -> None:  # noqa: ANN401 - a pipeline that watches the key
    """Remove the values of features that are not `declared` (any more) from one hash; the newest row of a set stays."""
    stored = pipe.hgetall(key)
    left: dict[bytes, tuple[tuple[int, int, int], bytes]] = {}
    for field, value in stored.items():
        features = json.loads(field)
        kept = [name for name in features if name in declared]
        row = _parse(key, 0, value)
        age = row.event, row.created or 0, row.write
        if kept and (_name_set(kept) not in left or left[_name_set(kept)][0] < age):
            values = dict(zip(features, unpack_values(row.content, len(features)), strict=True))
            head = value[: len(value) - len(row.content)]
            left[_name_set(kept)] = age, head + pack_values([values[name] for name in kept])
    pipe.multi()
    for field in stored.keys() - left.keys():
        pipe.hdel(key, field)
    for field, (_, value) in left.items():
        if stored.get(field) != value:
            pipe.hset(key, field, value)
