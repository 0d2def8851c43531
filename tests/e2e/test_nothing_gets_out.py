"""Everything that a demo, a training and a trading process ever wrote or printed: no key in it, no file for others.

The keys are unique texts, the processes real, the venue hostile: it refuses, breaks off and repeats the keys in its
answers. Then every byte that came of it is searched, as it is and in what databases, Parquet and archives unpack to.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
import zipfile
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, quote_plus

import polars as pl
import pytest

from tests.e2e.running import ASSETS, ROOT, Running

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]

KEYS = {
    "PAIRITY_EXCHANGE__API_KEY": "7f0c51aa-Key-41d2-9e6b-0c2f",
    "PAIRITY_EXCHANGE__API_SECRET": "F0E1Secret2D3C4B5A69788796A5B4C3",
    "PAIRITY_EXCHANGE__API_PASSPHRASE": "Pass/77+phrase=9&x",
    "PAIRITY_SOURCES__TIINGO_API_KEY": "1b2cTiingo3d4e5f60718293a4b5",
    "PAIRITY_SOURCES__CRYPTOQUANT_API_KEY": "9z8yCrypto7x6w5v4u3t2s1r0q",
}
MISTYPED = "Q5w6Mistyped7E8r9T0y1U2i3"
SECRETS = [*KEYS.values(), MISTYPED]
VENUE = """
import os
from paper_exchange.http.auth import Credentials
from paper_exchange.run import run
keys = [os.environ[f"PAIRITY_EXCHANGE__API_{name}"] for name in ("KEY", "SECRET", "PASSPHRASE")]
run(clock="stepped", control=True, rate_limits=False, seed=11, assets=4, credentials=Credentials(*keys))
"""


class Machine:
    """A place where commands run as a user would run them, under umask 022; everything that they say is kept."""

    def __init__(self, root: Path) -> None:
        self.root, self.said = root, []
        self.work, self.user, self.scratch = root / "work", root / "user", root / "tmp"
        for folder in (self.work, self.user, self.scratch):
            folder.mkdir()
        dotenv = self.work / ".env"
        dotenv.write_text("".join(f"{name}='{value}'\n" for name, value in KEYS.items()))
        dotenv.chmod(0o600)

    def environment(self, **extra: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PAIRITY_")}
        ours = {
            "HOME": str(self.user),
            "TMPDIR": str(self.scratch),
            "PYTHONPATH": str(ROOT),
            "PAIRITY_UNIVERSE__ASSETS": json.dumps(ASSETS),
            "PAIRITY_EXCHANGE__RATE_LIMIT": "false",
            "PAIRITY_EXCHANGE__MAX_RETRIES": "1",
            "PAIRITY_MODEL__N_ESTIMATORS": "20",
            "PAIRITY_SERVE__PORT": "0",
        }
        return clean | ours | extra

    def start(self, *command: str, **extra: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["sh", "-c", 'umask 022; exec "$@"', "sh", *command],
            cwd=self.work,
            env=self.environment(**extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str, **extra: str) -> tuple[int, str]:
        process = self.start(sys.executable, "-m", "pairity_cli", *arguments, **extra)
        said = process.communicate(timeout=600)[0].decode()
        self.said.append(said)  # without the arguments, which hold a key in some runs
        return process.returncode, said


@contextlib.contextmanager
def venue(machine: Machine):
    process = machine.start(sys.executable, "-c", VENUE, **KEYS)
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline().decode())
        assert found
        yield Running(found[0])
    finally:
        process.terminate()
        machine.said.append(process.communicate(timeout=30)[0].decode())


def fault(exchange: Running, kind: str, path: str, count: int = 1, **params: object) -> None:
    exchange.post("faults", {"kind": kind, "path": path, "count": count, "params": params})


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    found = Machine(tmp_path_factory.mktemp("machine"))
    code, said = found.run("demo", "--cycles", "2", "--history", "24", "--home", "demo", **KEYS)
    assert code == 0, said
    with venue(found) as exchange:
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        for command in (("ingest", *options, "--since", "22d"), ("train", "--no-compare")):
            code, said = found.run(*command)
            assert code == 0, said
        mirrored = " ".join(KEYS.values())  # a venue that repeats what it was sent, as it is and in other forms
        for said in (mirrored, quote(mirrored), json.dumps(mirrored), base64.b64encode(mirrored.encode()).decode()):
            fault(exchange, "code", "account/balance", 1, code="51000", msg=f"bad {said}")
            assert "***" in found.run("account", *options[:2])[1]
            fault(exchange, "code", "trade/order", 1, code="51000", msg=f"bad {said}")
            fault(exchange, "code", "account/positions", 1, code="51000", msg=f"bad {said}")
        for kind in ("reset", "abort_body", "rate_limit_html"):
            fault(exchange, kind, "trade/order", 1)
        found.run("serve", *options, "--cycles", "2")
        urllib.request.urlopen(
            urllib.request.Request(f"{exchange.control}/faults", method="DELETE"), timeout=60
        ).close()
        code, said = found.run("serve", *options, "--cycles", "8", PAIRITY_SERVE__RETRAIN="true")
        assert code == 0, said
        found.run("retrain", "--once")
        found.run("account", *options[:2], "--export", "fills.csv")
        for command in ("models", "parity", "data-docs", "data", "why"):
            found.run(command)
        # Faults of the owner: keys mistyped, misplaced and wrong, each in a run that must fail
        serve = ("serve", *options, "--cycles", "1")
        for name in ("PAIRITY_EXCHANGE__API_SECRET", "PAIRITY_EXCHANGE__API_PASSPHRASE", "PAIRITY_EXCHANGE__SECERT"):
            assert found.run(*serve, **{name: MISTYPED})[0] != 0
        for name in ("PAIRITY_EXCHANGE", "PAIRITY_EXCHANGE__URL", "PAIRITY_EXCHANGE__TIMEOUT_S"):
            assert found.run("serve", "--cycles", "1", **{name: MISTYPED})[0] != 0
        assert found.run(*serve, "--api-secret", MISTYPED)[0] == 2
        assert found.run(MISTYPED)[0] == 2
        crash(found, options)
        status(found, options)
    return found


def crash(machine: Machine, options: tuple[str, ...]) -> None:
    """Kill a trading process with its own crash report on."""
    serve = (sys.executable, "-X", "faulthandler", "-m", "pairity_cli", "serve", *options)
    process = machine.start(*serve)
    time.sleep(12)
    process.send_signal(signal.SIGABRT)
    machine.said.append(process.communicate(timeout=60)[0].decode())


def status(machine: Machine, options: tuple[str, ...]) -> None:
    """Read what a running trading process shows, and what it says of addresses that do not exist."""
    process = machine.start(sys.executable, "-u", "-m", "pairity_cli", "serve", *options)
    said = []
    for line in process.stdout:
        said.append(line.decode())
        if address := re.search(r"http://127\.0\.0\.1:\d+(?=/status)", said[-1]):
            for path in ("/status", "/metrics", "/health", "/none", "/status?x=%00"):
                with contextlib.suppress(urllib.error.URLError, OSError):
                    said.append(urllib.request.urlopen(f"{address[0]}{path}", timeout=5).read().decode())
            break
    command_line = Path(f"/proc/{process.pid}/cmdline")
    if command_line.exists():
        said.append(command_line.read_bytes().decode())
    process.terminate()
    machine.said += ["".join(said), process.communicate(timeout=120)[0].decode()]


def forms(secret: str) -> dict[str, bytes]:
    """What a secret can look like in bytes; not the product's list."""
    raw = secret.encode()
    made = {
        "raw": raw,
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "utf-16": secret.encode("utf-16-le"),
    }
    made |= {"url": quote(secret, safe="").encode(), "form": quote_plus(secret).encode()}
    made |= {"json": json.dumps(secret)[1:-1].encode(), "reversed": raw[::-1]}
    for before in range(3):
        padded = base64.b64encode(b"\0" * before + raw)
        made[f"base64 after {before}"] = padded[4 * (before > 0) : -4]
    return made


def unpack(path: Path, content: bytes):
    """The content of a file, and what it unpacks to."""
    yield content
    if content.startswith(b"\x1f\x8b"):
        yield from unpack(path, gzip.decompress(content))
    if content.startswith(b"PAR1") and content.endswith(b"PAR1"):
        yield pl.read_parquet(BytesIO(content)).write_ndjson().encode()
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from unpack(path, archive.read(name))
    if content.startswith(b"SQLite format 3"):
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.text_factory = bytes
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                yield repr(database.execute(f'SELECT * FROM "{table.decode()}"').fetchall()).encode()


def leaks(name: str, content: bytes) -> list[tuple[str, str, str]]:
    return [
        (name, secret[:8], form)
        for secret in SECRETS
        for form, written in forms(secret).items()
        if len(written) >= 8 and written in content
    ]


def test_nothing_that_was_printed_has_a_key(machine):
    said = "\n".join(machine.said)
    assert "decision" in said
    assert "***" in said  # the venue did repeat the keys
    assert "never given on the command line" in said
    assert leaks("output", said.encode()) == []


def test_no_file_that_was_written_has_a_key(machine):
    found, seen = [], 0
    for path in sorted(machine.root.rglob("*")):
        if path.is_file() and not path.is_symlink() and path != machine.work / ".env":
            for content in unpack(path, path.read_bytes()):
                seen += 1
                found += leaks(str(path.relative_to(machine.root)), content)
    assert found == []
    assert seen > 500


def test_every_file_is_the_owners_alone(machine):
    for home in (machine.work / "demo", machine.work / "var", machine.work / ".env", machine.work / "fills.csv"):
        for path in (home, *home.rglob("*")):
            wanted = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.lstat().st_mode) & ~wanted == 0, f"{path}: {path.lstat().st_mode:o}"
            assert not path.is_symlink()
    assert (machine.work / "var" / "journal.db").exists()
    assert (machine.work / "var" / "retrain.log").exists()


def test_the_search_would_find_a_key(tmp_path):
    secret = SECRETS[1]
    rows = pl.DataFrame({"note": [secret]})
    rows.write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "log.gz").write_bytes(gzip.compress(f"key {secret}".encode()))
    (tmp_path / "page.html").write_text(f"<a href='?k={base64.b64encode(f'user:{secret}'.encode()).decode()}'>")
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (?)", ["x" * 5000 + secret])
        database.commit()
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", textwrap.dedent(secret))
    for path in tmp_path.iterdir():
        assert any(leaks(path.name, content) for content in unpack(path, path.read_bytes())), path
