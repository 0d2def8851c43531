"""`python -m tools.local_cluster up|down|status`: start, stop and show the local cluster.

`up` prints how to use it, and writes the same to `cluster.env`, private to its owner. `down` stops the processes;
with `--forget` the data of Redis and PostgreSQL go too.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.local_cluster.certificates import make_certificates
from tools.local_cluster.processes import ClusterError, find_running, start, stop
from tools.local_cluster.services import (
    WORKERS,
    Plan,
    find_lacking,
    find_port,
    list_services,
    make_bucket,
    make_database,
    prepare_postgres,
)

S3_SERVER = ".venv-s3/bin/moto_server"
NAMES = ("redis", "postgres", "s3", "scheduler", *(f"worker-{number}" for number in range(WORKERS)))


def up(folder: Path, s3_server: str) -> None:
    """Start what does not run yet, in order, each when the one before it is healthy."""
    if lacking := find_lacking(s3_server):
        raise ClusterError("the local cluster needs " + "; ".join(lacking))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    plan = _plan(folder, s3_server)
    (folder / "s3.program").write_text(s3_server)
    prepare_postgres(plan)
    for service in list_services(plan):
        if find_running(service.name, folder) is None:
            start(service, folder)
            print(f"{service.name} runs (pid {find_running(service.name, folder)})")
            if service.name == "postgres":
                make_database(plan)
            if service.name == "s3":
                make_bucket(plan)
    variables = folder / "cluster.env"
    _write_private(variables, "".join(f"{name}={value}\n" for name, value in plan.variables.items()))
    print(f"use it: set -a; . {variables}; set +a; pairity …")


def down(folder: Path, *, forget: bool) -> None:
    """Stop everything that was started here, the last first."""
    for name in reversed(NAMES):
        if stop(name, folder):
            print(f"{name} stopped")
    if forget and (folder / "plan.json").exists():
        plan = _plan(folder, "")
        own = plan.postgres_folder
        shutil.rmtree(own if own.is_relative_to(folder) else own.parent, ignore_errors=True)
        shutil.rmtree(folder)


def status(folder: Path) -> bool:
    """Say of each process whether it runs; return whether all do."""
    running = {name: find_running(name, folder) for name in NAMES}
    for name, pid in running.items():
        print(f"{name}: {'not running' if pid is None else f'pid {pid}'}")
    return None not in running.values()


def _plan(folder: Path, s3_server: str) -> Plan:
    """Return the plan of the folder; made at the first start, and kept: ports and passwords stay as they are."""
    path = folder / "plan.json"
    if not path.exists():
        ports = {name: find_port() for name in ("redis", "postgres", "s3", "scheduler")}
        passwords = {name: secrets.token_hex(16) for name in ("redis", "postgres")}
        _write_private(path, json.dumps({"ports": ports, "passwords": passwords}))
    known = json.loads(path.read_text())
    authority, member = make_certificates(folder)
    passwords = known["passwords"]
    return Plan(folder, known["ports"], passwords["redis"], passwords["postgres"], authority, member, s3_server)


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 1 with a message where it cannot be carried out, or where `status` finds a gap."""
    parser = argparse.ArgumentParser(prog="python -m tools.local_cluster")
    parser.add_argument("command", choices=("up", "down", "status"))
    parser.add_argument("--folder", type=Path, default=Path("var/cluster"))
    parser.add_argument("--s3-server", default=S3_SERVER, help="program of the S3-compatible server")
    parser.add_argument("--forget", action="store_true", help="down: remove the data too")
    given = parser.parse_args(arguments)
    folder = given.folder.absolute()
    os.umask(0o077)
    try:
        if given.command == "status":
            return 0 if status(folder) else 1
        if given.command == "up":
            up(folder, given.s3_server)
        else:
            down(folder, forget=given.forget)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
