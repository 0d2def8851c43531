"""Settings of the cluster profile: where its services are. Nothing here connects to them."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from pydantic import Field, PositiveInt, SecretStr

from pairity.setting_types import SectionWithSecrets

Profile = Literal["embedded", "cluster"]
_S3 = r"^s3://[a-z0-9][a-z0-9.\-]{1,62}(/[A-Za-z0-9_.\-]{1,80}){0,8}$"
_HOST = r"[A-Za-z0-9][A-Za-z0-9.\-]{0,252}:[0-9]{1,5}"


_CONNECTION = {
    "connect_timeout": 10,
    # A server that vanished without a word is noticed, instead of waited for
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Parameters of libpq in the database's address, so that whoever connects by it has them: Feast and MLflow, too."""


class ClusterSettings(SectionWithSecrets):
    """Services of the cluster profile; without `profile = "cluster"` none but `object_store` and `lake` is used."""

    scheduler: Annotated[str, Field(pattern=f"^(tcp|tls)://{_HOST}$")] | None = None
    """Dask's scheduler. Whoever can talk to it can run code on the workers: `tls://` anywhere but on one's own machine,
    with the certificates that Dask's own configuration names (`DASK_DISTRIBUTED__COMM__TLS__…`)."""
    redis: Annotated[str, Field(pattern=f"^rediss?://{_HOST}(/[0-9]{{1,3}})?$")] | None = None
    """Redis of the online store; `rediss://` with TLS."""
    redis_password: SecretStr | None = None
    postgres: Annotated[str, Field(pattern=f"^{_HOST}/[a-z_][a-z0-9_]{{0,62}}$")] | None = None
    """PostgreSQL of Feast's registry, MLflow's tracking and the journal: host:port/database. TLS as libpq's own
    variables say (`PGSSLMODE`, `PGSSLROOTCERT`)."""
    postgres_user: Annotated[str, Field(pattern="^[a-z_][a-z0-9_]{0,62}$")] = "pairity"
    postgres_password: SecretStr | None = None
    journal_schema: Annotated[str, Field(pattern="^journal(_[a-z0-9]{1,40})?$")] = "journal"
    """Schema of the trading process's journal; each account needs one of its own: `journal_second`."""
    object_store: Annotated[str, Field(pattern=_S3)] | None = None
    """Where `pairity snapshot push` and `pull` keep snapshots, in either profile: s3://bucket/prefix. Its credentials
    are read by the client itself (`AWS_ACCESS_KEY_ID`, …; `AWS_ENDPOINT_URL` for a store that is not Amazon's)."""

    lake: Annotated[str, Field(pattern=_S3)] | None = None
    """Where lake, features and reference data are published, in either profile: s3://bucket/prefix. Jobs on several
    machines share them there; each has a data directory of its own, which fetches what it reads. Credentials as for
    `object_store`."""
    lake_cache_mb: PositiveInt = 20_000
    """How much of what is published in `lake` is kept on this machine, as each job begins."""

    def require_complete(self, profile: Profile) -> None:
        """Raise ValueError where `profile` needs services that are not set."""
        needed = ("scheduler", "redis", "postgres") if profile == "cluster" else ()
        if missing := [f"cluster.{name}" for name in needed if getattr(self, name) is None]:
            raise ValueError(f"the profile cluster needs {', '.join(missing)}")

    def make_postgres_address(self, schema: str) -> str:
        """Return the database's address for SQLAlchemy, with the password; tables are made and looked for in `schema`.

        Feast, MLflow and the journal share the database, each in a schema of its own. A server that does not answer is
        given up after 10 to 30 seconds: they are asked while the process trades.
        """
        password = self.reveal_passwords().get("postgres_password")
        secret = "" if password is None else f":{quote(password, safe='')}"
        parameters = {"options": f"-csearch_path={schema}", **_CONNECTION}
        return f"postgresql+psycopg://{self.postgres_user}{secret}@{self.postgres}?{urlencode(parameters)}"

    def reveal_passwords(self) -> dict[str, str]:
        """Return the passwords that are set, by setting: for a process of ours that uses the same services."""
        found = {"redis_password": self.redis_password, "postgres_password": self.postgres_password}
        return {name: secret.get_secret_value() for name, secret in found.items() if secret is not None}
