"""A healthy installation, made by the real commands against a real paper exchange, and the way back to it.

Signed statements name the data directory by its path, so it is put back in place after each test, not copied.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pairity.settings import Settings
from pairity_cli.trial_findings import find_trial_flaws
from serving.doctor.case import open_case
from serving.doctor.catalogue import choose_checks
from serving.doctor.examination import examine
from serving.doctor.report import make_document
from serving.execution.okx import OkxVenue
from tests.e2e.running import Place, Running
from venue.okx_client import aclose, make_client

PORT = 18_734
"""A fixed port: with a free one nobody could take it first."""


@dataclass
class Patient:
    """A data directory with its key, its exchange, and the variables of its commands."""

    place: Place
    exchange: Running
    kept: Path
    extra: dict[str, str] = field(default_factory=dict)
    held: list[Any] = field(default_factory=list)
    """Sockets and locks that a test has taken."""

    @classmethod
    def grown(cls, folder: Path, exchange: Running) -> Patient:
        """Ingest, train and trade until it is as an installation is after its first half day."""
        key = folder / "key" / "signing.key"
        place = Place(
            folder / "work" / "home",
            {
                "PAIRITY_SIGNING_KEY": str(key),
                "PAIRITY_EXCHANGE__URL": exchange.url,
                "PAIRITY_EXCHANGE__CONTROL_URL": exchange.control,
                "PAIRITY_SERVE__PORT": str(PORT),
            },
        )
        for command in (("ingest", "--since", "22d"), ("train", "--no-compare"), ("serve", "--cycles", "12")):
            done = place.run(*command)
            assert done.returncode == 0, done.stdout + done.stderr
        patient = cls(place, exchange, folder / "kept")
        patient.keep()
        return patient

    @property
    def home(self) -> Path:
        return self.place.home

    @property
    def work(self) -> Path:
        """The folder in which commands run: settings files lie here."""
        return self.home.parent

    @property
    def key(self) -> Path:
        return Path(self.place.extra["PAIRITY_SIGNING_KEY"])

    @property
    def journal(self) -> Path:
        return self.home / "journal.db"

    def keep(self) -> None:
        """Remember everything as it is."""
        shutil.rmtree(self.kept, ignore_errors=True)
        shutil.copytree(self.work, self.kept / "work")
        shutil.copytree(self.key.parent, self.kept / "key")

    def restore(self) -> None:
        """Put everything back as it was kept, and let the venue behave."""
        while self.held:
            self.held.pop().close()
        for folder, kept in ((self.work, "work"), (self.key.parent, "key")):
            shutil.rmtree(folder)
            shutil.copytree(self.kept / kept, folder)
        self.extra.clear()
        self.clear_faults()

    def strike(self, kind: str, path: str = "*", count: int | None = None, **params: object) -> None:
        self.exchange.post("faults", {"kind": kind, "path": path, "count": count, "params": params})

    def clear_faults(self) -> None:
        request = urllib.request.Request(f"{self.exchange.control}/faults", method="DELETE")
        with urllib.request.urlopen(request, timeout=30):
            pass

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.place.run(*arguments, **self.extra)

    def shell(self, command: str) -> None:
        """Carry out a command that the doctor gave, `pairity` being the program under test."""
        written = command.replace("pairity ", f"{sys.executable} -m pairity_cli ")
        subprocess.run(
            written, shell=True, check=True, cwd=self.work, env=self.place.environment() | self.extra, timeout=200
        )

    @contextlib.asynccontextmanager
    async def venue(self) -> AsyncIterator[OkxVenue]:
        """The account, as a person with the same key sees it."""
        settings = Settings(
            exchange={
                "url": self.exchange.url,
                "rate_limit": False,
                **dict.fromkeys(("api_key", "api_secret", "api_passphrase"), "paper"),
            }
        )
        client = make_client(settings, signed=True)
        try:
            yield OkxVenue(client, retries=1)
        finally:
            await aclose(client)

    def examine(self, *, live: bool = False, only: Sequence[str] = ()) -> dict[str, Any]:
        """Return what the command would print, without a process of its own: most of its time are imports."""
        variables = self.place.environment() | self.extra
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(self.work)
            for name in [name for name in os.environ if name.startswith("PAIRITY_")]:
                patched.delenv(name)
            for name, value in variables.items():
                if name.startswith("PAIRITY_"):
                    patched.setenv(name, value)
            case = open_case(live=live, find_trial_flaws=find_trial_flaws)
            return make_document(case, examine(case, choose_checks(only)), strict=False)

    def ask(self, *options: str) -> dict[str, Any]:
        """Run the command as a process, and return its JSON. MLflow holds on to a database that it has opened once."""
        done = self.run("doctor", "--json", *options)
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        document = json.loads(done.stdout)
        assert done.returncode == document["exit_code"]
        return document


def findings_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"check": entry["check"], **item} for entry in document["checks"] for item in entry["findings"]]


def contents(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Bytes, mode and time of change of every file below a folder."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
