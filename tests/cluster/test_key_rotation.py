"""The signing key is exchanged over a registry in PostgreSQL: whole or not at all, alone, and readable meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from model_registry import key_rotation, registry, signing_turn
from model_registry.approval import confirm_version, describe_signatures
from model_registry.key_rotation import rotate_key
from model_registry.signing_key import open_keys
from model_registry.signing_turn import take_signing_turn
from pairity.configuration import load_settings
from pairity.errors import DataError, PairityError, RegistryError, SignatureError
from pairity.layout import Layout
from tests.cluster.conftest import use_own_database
from tests.cluster.test_restarts import start_again
from tests.model_registry.registries import PASSED
from tests.serving.registered_models import ASSETS, NOW, register
from tools.local_cluster.processes import stop

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]
MODEL = {"name": "pair_forest", "n_estimators": 12, "min_samples_leaf": 5, "max_depth": 4}
SIGNATURES = 13
"""Three registrations, two verdicts, two champions, three challengers, a confirmation; a registration and a challenger
in the file of other times."""
SLOW = """
import sys, time
from pathlib import Path
from model_registry import key_rotation
from model_registry.key_rotation import rotate_key
from pairity.configuration import load_settings
from pairity.layout import Layout
real, done = key_rotation.sign, []
def sign(*given):
    done.append(1)
    print(len(done), flush=True)
    time.sleep(float(sys.argv[2]))
    return real(*given)
key_rotation.sign = sign
print("signed", rotate_key(Layout.of(load_settings(home=Path(sys.argv[1])))).signed, flush=True)
"""


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """Version 1 was champion, 2 is champion and confirmed, 3 is challenger; in a database and with a key of their own.

    A file lies in the data directory from the time before it had a database.
    """
    patched, folder = pytest.MonkeyPatch(), tmp_path_factory.mktemp("rotation")
    (folder / "key").mkdir(mode=0o700)
    use_own_database(patched)
    patched.setenv("PAIRITY_SIGNING_KEY", str(folder / "key" / "signing.key"))
    with patched.context() as before:
        before.setenv("PAIRITY_PROFILE", "embedded")
        register(settings_of(folder / "home"), seed=1)
    made = settings_of(folder / "home")
    for seed in (1, 2, 3):
        version = register(made, seed=seed).version
        if seed < 3:
            registry.record_verdict(made, version, PASSED)
            registry.promote(made, version, "a test", NOW)
    confirm_version(made, registry.find_version(made, "2"))
    yield made
    patched.undo()


def settings_of(home):
    return load_settings(home=home, universe={"assets": ASSETS}, model=MODEL)


def states(settings):
    return {model.version: describe_signatures(settings, model) for model in registry.list_versions(settings)}


def key_file():
    return Path(os.environ["PAIRITY_SIGNING_KEY"])


def key_of(settings):
    with open_keys(settings.root) as place:
        return [key.key_id for key in place.keys.accepted]


def start(settings, pause):
    command = [sys.executable, "-c", SLOW, str(settings.root), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_whole(settings, champion="2"):
    assert registry.find_champion(settings).version == champion
    assert all(state.trouble is None for state in states(settings).values())
    assert states(settings)["2"].confirmed


def run_in_server(settings, *statements):
    engine = create_engine(settings.cluster.make_postgres_address("mlflow"), poolclass=NullPool)
    with engine.connect() as connection:
        outside = connection.execution_options(isolation_level="AUTOCOMMIT")
        return [outside.execute(text(one)) for one in statements]


def test_all_that_was_signed_is_signed_with_the_new_key_and_the_old_one_counts_no_more(signed):
    before, old = states(signed), key_file().read_bytes()
    [first] = key_of(signed)
    done = rotate_key(Layout.of(signed))
    assert (done.signed, done.left, done.absent) == (SIGNATURES, (), ())
    assert states(signed) == before
    check_whole(signed)
    assert key_of(signed) == [done.key_id] != [first]
    found = run_in_server(signed, "SELECT value FROM model_version_tags WHERE key LIKE 'signature.%'")[0].scalars()
    assert not any(first in value for value in found)
    new = key_file().read_bytes()
    key_file().write_bytes(old)
    with pytest.raises(SignatureError):
        registry.find_champion(signed)
    key_file().write_bytes(new)


def test_the_command_says_what_it_did(signed):
    environment = {**os.environ, "PAIRITY_HOME": str(signed.root)}
    command = [sys.executable, "-m", "pairity_cli", "models", "rotate-key"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{SIGNATURES} signatures were made anew" in done.stdout
    check_whole(signed)


@pytest.mark.parametrize("kill_at", [1, 6, SIGNATURES])
def test_a_killed_exchange_leaves_both_keys_valid_and_goes_on(signed, kill_at):
    [old] = key_of(signed)
    with start(signed, 0.3) as process:
        for line in process.stdout:
            if line == f"{kill_at}\n":
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    both = key_of(signed)
    assert both[0] == old
    assert len(both) == 2
    check_whole(signed)
    before = registry.find_champion(signed).version
    registry.promote(signed, "1", "meanwhile", NOW)  # the old key signs on
    registry.rollback(signed, "and back", NOW)
    assert registry.find_champion(signed).version == before
    assert rotate_key(Layout.of(signed)).left == ()
    assert key_of(signed) == both[1:]
    check_whole(signed)


def test_two_at_once_take_turns(signed):
    with start(signed, 0.1) as one, start(signed, 0.1) as other:
        told = [process.communicate() for process in (one, other)]
    assert [process.returncode for process in (one, other)] == [0, 0], told
    assert all(out.endswith(f"signed {SIGNATURES}\n") for out, _ in told)
    assert len(key_of(signed)) == 1
    check_whole(signed)


def test_another_machine_waits_and_is_told(signed, monkeypatch):
    """Its folder of the key is another one, so that nothing but the database can keep it out."""
    monkeypatch.setattr(signing_turn, "_WAIT_S", 1)
    before = key_of(signed)
    with take_signing_turn(Layout.of(signed)):
        with pytest.raises(RegistryError, match="somebody else signs in postgresql://127"):
            rotate_key(Layout.of(signed))
        with pytest.raises(RegistryError, match="somebody else signs"):
            registry.promote(signed, "1", "during an exchange", NOW)
    assert key_of(signed) == before
    check_whole(signed)


def test_a_champion_stays_loadable_all_the_while(signed):
    found, failed, over = [], [], threading.Event()

    def read():
        while not over.is_set():
            try:
                found.append(registry.find_champion(signed).version)
            except PairityError as error:
                failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    with start(signed, 0.1) as process:
        for reader in readers:
            reader.start()
        out, errors = process.communicate()
    over.set()
    for reader in readers:
        reader.join()
    assert process.returncode == 0, out + errors
    assert not failed
    assert set(found) == {"2"}
    assert len(found) > 10


def test_a_server_that_restarts_in_the_middle_loses_nothing(signed, cluster_folder, monkeypatch):
    [old] = key_of(signed)
    real, done = key_rotation.sign, []

    def sign(*given):
        done.append(1)
        if len(done) == 5:
            assert stop("postgres", cluster_folder)
            start_again(cluster_folder)
        return real(*given)

    monkeypatch.setattr(key_rotation, "sign", sign)
    with pytest.raises((DataError, RegistryError), match="cannot be used"):
        rotate_key(Layout.of(signed))
    assert key_of(signed)[0] == old
    assert len(key_of(signed)) == 2
    check_whole(signed)
    assert rotate_key(Layout.of(signed)).left == ()
    assert old not in key_of(signed)
    check_whole(signed)


def test_a_server_that_is_away_changes_nothing(signed, cluster_folder):
    before = key_of(signed)
    assert stop("postgres", cluster_folder)
    try:
        with pytest.raises(DataError, match="cannot be used"):
            rotate_key(Layout.of(signed))
    finally:
        start_again(cluster_folder)
    assert key_of(signed) == before
    check_whole(signed)


def test_a_server_that_may_lose_what_it_confirmed_is_refused(signed):
    user = signed.cluster.postgres_user
    before = key_of(signed)
    run_in_server(signed, f"ALTER ROLE {user} SET synchronous_commit = off")
    try:
        with pytest.raises(RegistryError, match="the server has synchronous_commit = off"):
            rotate_key(Layout.of(signed))
    finally:
        run_in_server(signed, f"ALTER ROLE {user} RESET synchronous_commit")
    assert key_of(signed) == before
    check_whole(signed)


def test_a_database_that_the_settings_do_not_name_is_not_forgotten(signed, monkeypatch):
    """The profile of one machine would exchange the key and leave every version in PostgreSQL unsigned."""
    before = key_of(signed)
    monkeypatch.setenv("PAIRITY_PROFILE", "embedded")
    embedded = settings_of(signed.root)
    with pytest.raises(SignatureError, match=r"signed versions of .* in postgresql://127.* too") as refused:
        rotate_key(Layout.of(embedded))
    assert "--profile cluster" in refused.value.remedy
    monkeypatch.setenv("PAIRITY_PROFILE", "cluster")
    assert key_of(signed) == before
    check_whole(signed)


def test_a_promotion_is_seen_at_once_beside_a_file_of_other_times(signed):
    """An answer about a file that has settled is remembered; one of the database must not be."""
    assert registry.find_champion(signed).version == "2"
    registry.promote(signed, "1", "seen at once", NOW)
    assert registry.find_champion(signed).version == "1"
    registry.promote(signed, "2", "and again", NOW)
    assert registry.find_champion(signed).version == "2"
