"""Which variables of other programs' libraries a child gets: those of the services that its settings use."""

from __future__ import annotations

import os

import pytest

from pairity.service_variables import list_postgres_variables, list_service_variables
from pairity.settings import Settings

POSTGRES = ["PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSERVICEFILE", "PGCHANNELBINDING"]
DASK = ["DASK_DISTRIBUTED__COMM__TLS__CA_FILE", "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY", "DASK_CONFIG"]
STORE = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION", "HTTPS_PROXY", "no_proxy"]
AUTHORITIES = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
NEVER = ["PGPASSWORD", "DASK_GATEWAY__AUTH__PASSWORD", "GITHUB_TOKEN", "PAIRITY_EXCHANGE__API_SECRET"]
SERVICES = {"scheduler": "tls://a:1", "redis": "redis://a:2", "postgres": "a:3/pairity"}


@pytest.fixture(autouse=True)
def all_set(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("AWS_", "DASK_", "PG", "SSL_")) or "proxy" in name]:
        monkeypatch.delenv(name)
    for name in (*POSTGRES, *DASK, *STORE, *AUTHORITIES, *NEVER):
        monkeypatch.setenv(name, "x")


@pytest.mark.parametrize(
    ("profile", "cluster", "wanted"),
    [
        ("embedded", {}, []),
        ("embedded", {"object_store": "s3://pairity/x"}, []),
        ("embedded", SERVICES, []),
        ("embedded", {"lake": "s3://pairity/x"}, [*STORE, *AUTHORITIES]),
        ("cluster", SERVICES, [*POSTGRES, *DASK, *AUTHORITIES]),
        ("cluster", {**SERVICES, "lake": "s3://pairity/x"}, [*POSTGRES, *DASK, *STORE, *AUTHORITIES]),
    ],
)
def test_a_child_gets_the_variables_of_its_services_alone(tmp_path, profile, cluster, wanted):
    settings = Settings(home=tmp_path, profile=profile, cluster=cluster)
    found = list_service_variables(settings)
    assert sorted(found) == sorted(wanted)
    assert set(found.values()) <= {"x"}


def test_a_directory_that_follows_a_store_reads_it_whatever_the_settings_say(tmp_path):
    (tmp_path / ".published").mkdir()
    assert sorted(list_service_variables(Settings(home=tmp_path))) == sorted([*STORE, *AUTHORITIES])


def test_who_reads_the_database_gets_what_libpq_needs():
    assert sorted(list_postgres_variables()) == sorted([*POSTGRES, *AUTHORITIES])
