"""A training is repeated from a snapshot after the data have gone on: the same model, byte for byte."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.e2e.running import ASSETS, Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def digest_models(home):
    """SHA-256 of every model file of a data directory."""
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in (home / "mlflow").rglob("*.skops"))


def succeed(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(900)
def test_the_same_bytes_from_the_copy_whatever_the_data_became(tmp_path):
    place, copied = Place(tmp_path / "home"), Place(tmp_path / "elsewhere" / "copy")
    with paper_exchange("--seed", "11") as exchange:
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        succeed(place.run("ingest", *options, "--since", "22d"))
        assert f"PAIRITY_HOME={place.home} " in succeed(place.run("snapshot", "save", "before"))
        record = json.loads((place.home / "snapshots" / "before" / "saved-snapshot.json").read_text())
        train = ("train", "--no-compare", "--as-known-at", record["saved_at"])
        succeed(place.run(*train))
        first = digest_models(place.home)
        exchange.post("advance", {"by_ms": 48 * 3_600_000})
        succeed(place.run("ingest", *options, "--since", "22d"))

    assert "as it was saved" in succeed(place.run("snapshot", "verify", "before"))
    succeed(place.run("snapshot", "copy", "before", str(copied.home)))
    succeed(copied.run(*train))
    assert digest_models(copied.home) == first
    succeed(place.run(*train))
    # History that came afterwards counts as known when its bars closed: it was learnt from, which the copy is safe of
    assert set(digest_models(place.home)) != set(first)
    assert ASSETS[0] in (copied.home / "settings.json").read_text()
