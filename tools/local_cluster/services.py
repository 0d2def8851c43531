"""The five kinds of processes of the local cluster, their commands, and how to tell that they work."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from tools.local_cluster.processes import ClusterError, Service

HOST = "127.0.0.1"
WORKERS = 2
BUCKET = "pairity"
POSTGRES_USER = "postgres"
"""The system's user that Debian's package makes: PostgreSQL refuses to run as root."""
_ALLOWED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Plan:
    """Where everything is: ports by process, passwords, certificates and programs."""

    folder: Path
    ports: Mapping[str, int]
    redis_password: str
    postgres_password: str
    authority: Path
    member: Path
    s3_server: str

    @property
    def postgres_folder(self) -> Path:
        """Folder of PostgreSQL's data; where root starts it, one that its own user can reach."""
        if os.getuid():
            return self.folder / "postgres"
        return Path("/var/tmp") / f"pairity-cluster-{self.ports['postgres']}" / "postgres"

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables with which pairity uses this cluster."""
        tls = {
            "REQUIRE_ENCRYPTION": "true",
            "TLS__CA_FILE": self.authority,
            **{f"TLS__{who}__CERT": self.member for who in ("CLIENT", "SCHEDULER", "WORKER")},
            **{f"TLS__{who}__KEY": self.member for who in ("CLIENT", "SCHEDULER", "WORKER")},
        }
        redis, postgres = self.ports["redis"], self.ports["postgres"]
        return {
            "PAIRITY_PROFILE": "cluster",
            "PAIRITY_CLUSTER__SCHEDULER": f"tls://{HOST}:{self.ports['scheduler']}",
            "PAIRITY_CLUSTER__REDIS": f"redis://{HOST}:{redis}/0",
            "PAIRITY_CLUSTER__REDIS_PASSWORD": self.redis_password,
            "PAIRITY_CLUSTER__POSTGRES": f"{HOST}:{postgres}/pairity",
            "PAIRITY_CLUSTER__POSTGRES_USER": "pairity",
            "PAIRITY_CLUSTER__POSTGRES_PASSWORD": self.postgres_password,
            "PAIRITY_CLUSTER__OBJECT_STORE": f"s3://{BUCKET}/local",
            "AWS_ENDPOINT_URL": f"http://{HOST}:{self.ports['s3']}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": "us-east-1",
            **{f"DASK_DISTRIBUTED__COMM__{name}": str(value) for name, value in tls.items()},
        }


def find_lacking(s3_server: str) -> list[str]:
    """Return what is missing on this machine, each with its remedy."""
    lacking = []
    if shutil.which("redis-server") is None:
        lacking.append("redis-server (Debian: apt-get install redis-server)")
    if _find_postgres("postgres") is None:
        lacking.append("PostgreSQL's programs (Debian: apt-get install postgresql)")
    if shutil.which(s3_server) is None:
        lacking.append(f"{s3_server} (make cluster-install)")
    lacking += [
        f"the Python package {name} (make cluster-install)"
        for name in ("distributed", "redis", "psycopg", "obstore")
        if importlib.util.find_spec(name) is None
    ]
    return lacking


def list_services(plan: Plan) -> list[Service]:
    """Return the processes in the order in which they start; they stop in the opposite one."""
    return [_redis(plan), _postgres(plan), _s3(plan), _scheduler(plan), *(_worker(plan, n) for n in range(WORKERS))]


def prepare_postgres(plan: Plan) -> None:
    """Make PostgreSQL's data folder, with one user that needs its password, where there is none."""
    folder = plan.postgres_folder
    if (folder / "PG_VERSION").exists():
        return
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    secret = folder.parent / "postgres.password"
    secret.write_text(plan.postgres_password)
    secret.chmod(0o600)
    if not os.getuid():
        for path in (folder.parent, folder, secret):
            shutil.chown(path, POSTGRES_USER, POSTGRES_USER)
    command = [
        *(_program("initdb"), "--pgdata", str(folder), "--username=pairity", f"--pwfile={secret}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=_environment(plan), cwd="/", user=_postgres_user()
    )
    secret.unlink()
    if done.returncode:
        shutil.rmtree(folder)
        raise ClusterError(f"initdb ended with {done.returncode}: {done.stderr.strip()[-400:]}")


def make_database(plan: Plan) -> None:
    """Make the database `pairity` where there is none."""
    import psycopg

    with psycopg.connect(_postgres_address(plan, "postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'pairity'").fetchone() is None:
            connection.execute("CREATE DATABASE pairity")


def make_bucket(plan: Plan) -> None:
    """Make the bucket of the object store; it is empty after every start."""
    request = urllib.request.Request(f"http://{HOST}:{plan.ports['s3']}/{BUCKET}", method="PUT")
    with urllib.request.urlopen(request, timeout=10):
        return


def find_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _redis(plan: Plan) -> Service:
    # The password stands in a file: the command line is for everybody to read
    configured = plan.folder / "redis.conf"
    data = plan.folder / "redis"
    data.mkdir(exist_ok=True)
    configured.touch(mode=0o600)
    configured.write_text(
        f"bind {HOST}\nport {plan.ports['redis']}\nrequirepass {plan.redis_password}\ndir {data}\n"
        "appendonly yes\ndaemonize no\n"
    )

    def is_healthy() -> bool:
        import redis

        try:
            with redis.Redis(host=HOST, port=plan.ports["redis"], password=plan.redis_password) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    return Service("redis", [_program("redis-server"), str(configured)], is_healthy, _environment(plan))


def _postgres(plan: Plan) -> Service:
    folder = plan.postgres_folder
    command = [
        *(_program("postgres"), "-D", str(folder), "-p", str(plan.ports["postgres"])),
        *("-c", f"listen_addresses={HOST}", "-c", f"unix_socket_directories={folder}"),
    ]

    def is_healthy() -> bool:
        import psycopg

        try:
            with psycopg.connect(_postgres_address(plan, "postgres"), connect_timeout=2):
                return True
        except psycopg.Error:
            return False

    # SIGINT: it ends the sessions and shuts down; at SIGTERM it waits until every client has gone
    return Service("postgres", command, is_healthy, _environment(plan), _postgres_user(), signal.SIGINT)


def _s3(plan: Plan) -> Service:
    command = [_program(plan.s3_server), "-H", HOST, "-p", str(plan.ports["s3"])]

    def is_healthy() -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{plan.ports['s3']}/moto-api/", timeout=2):
                return True
        except (URLError, OSError):
            return False

    return Service("s3", command, is_healthy, _environment(plan))


def _scheduler(plan: Plan) -> Service:
    address = plan.variables["PAIRITY_CLUSTER__SCHEDULER"]
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-show"]
    return Service("scheduler", command, _answers(plan, "scheduler"), _environment(plan, plan.variables))


def _worker(plan: Plan, number: int) -> Service:
    name = f"worker-{number}"
    command = [
        *(sys.executable, "-m", "distributed.cli.dask_worker", plan.variables["PAIRITY_CLUSTER__SCHEDULER"]),
        *("--host", f"tls://{HOST}", "--nthreads", "1", "--nworkers", "1", "--name", name, "--no-dashboard"),
        *("--local-directory", str(plan.folder / "dask"), "--memory-limit", "4GiB"),
    ]

    def is_healthy() -> bool:
        return name in _list_workers(plan)

    return Service(name, command, is_healthy, _environment(plan, plan.variables))


def _list_workers(plan: Plan) -> set[str]:
    import dask.config
    from distributed import Client
    from distributed.security import Security

    member = str(plan.member)
    security = Security(
        tls_ca_file=str(plan.authority), tls_client_cert=member, tls_client_key=member, require_encryption=True
    )
    try:
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "5s"}),
            Client(plan.variables["PAIRITY_CLUSTER__SCHEDULER"], security=security, timeout="5s") as client,
        ):
            return {str(worker["name"]) for worker in client.scheduler_info(n_workers=-1)["workers"].values()}
    except (OSError, TimeoutError):
        return set()


def _answers(plan: Plan, process: str) -> Callable[[], bool]:
    def is_healthy() -> bool:
        try:
            with socket.create_connection((HOST, plan.ports[process]), timeout=1):
                return True
        except OSError:
            return False

    return is_healthy


def _environment(plan: Plan, added: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a process of the cluster is given: no keys of whoever starts it."""
    own = {name: value for name, value in os.environ.items() if name in _ALLOWED}
    tasks = {name: value for name, value in (added or {}).items() if not name.startswith("PAIRITY_")}
    # One thread each: the workers are as many as the cores, and the bits do not depend on it
    return own | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"} | tasks


def _postgres_user() -> str | None:
    return None if os.getuid() else POSTGRES_USER


def _postgres_address(plan: Plan, database: str) -> str:
    return f"host={HOST} port={plan.ports['postgres']} user=pairity password={plan.postgres_password} dbname={database}"


def _program(name: str) -> str:
    found = _find_postgres(name) or shutil.which(name)
    if found is None:
        raise ClusterError(f"the program {name} is not there")
    return str(Path(found).absolute())


def _find_postgres(name: str) -> str | None:
    """Return a program of PostgreSQL: Debian keeps them out of PATH, in a folder for each version."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(versions[-1]) if versions else shutil.which(name) if name in {"postgres", "initdb"} else None
