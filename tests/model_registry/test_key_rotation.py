"""An exchange of the key loses nothing that was signed, adds nothing that was not, and can be interrupted anywhere."""

import os
import shutil
from pathlib import Path

import pytest

from model_registry import key_rotation, ledger, registry
from model_registry.approval import confirm_version, describe_signatures
from model_registry.key_rotation import rotate_key
from model_registry.private_folder import PrivateFolder
from model_registry.signing_key import open_keys
from pairity.errors import SignatureError
from pairity.layout import Layout
from tests.model_registry.registries import copy_tags, drop_tags, point, set_tag
from tests.serving.registered_models import NOW


@pytest.fixture
def known(signed_registry, tmp_path):
    with signed_registry.with_own_key(tmp_path / "key"):
        yield signed_registry


def key_file():
    return Path(os.environ["PAIRITY_SIGNING_KEY"])


def states(settings):
    return {model.version: describe_signatures(settings, model) for model in registry.list_versions(settings)}


def test_everything_that_was_signed_is_signed_with_the_new_key(known):
    confirm_version(known.settings, registry.find_version(known.settings, "2"))
    before, old = states(known.settings), key_file().read_bytes()
    done = rotate_key(Layout.of(known.settings))
    assert states(known.settings) == before
    assert before["2"].trouble is None
    assert before["2"].confirmed
    assert key_file().read_bytes() != old
    # Three registrations and verdicts, champions 1 and 2, three challengers, one confirmation
    assert (done.signed, done.left) == (12, ())
    assert sorted(path.name for path in key_file().parent.iterdir() if "next" in path.name) == []
    with open_keys(known.settings.root) as place:
        assert place.keys.signing.key_id == done.key_id


def test_the_old_key_counts_no_more(known):
    content, old = known.dump(), key_file().read_bytes()
    rotate_key(Layout.of(known.settings))
    new = key_file().read_bytes()
    known.put_back(content)
    with pytest.raises(SignatureError, match="is signed with another key"):
        registry.find_champion(known.settings)
    key_file().write_bytes(old)
    with pytest.raises(SignatureError, match="was not written with the signing key beside it"):
        registry.find_champion(known.settings)
    key_file().write_bytes(new)


def test_what_did_not_verify_is_left_unsigned(known):
    known.write(
        set_tag(3, "snapshot_id", "another"),
        drop_tags(1, "signature.verdict"),
        set_tag(2, "signature.alias.shadow", "{}"),
    )
    done = rotate_key(Layout.of(known.settings))
    told = {line.partition(": pair_forest ")[2] for line in done.left}
    assert told == {
        "version 3: registration",
        "version 3: verdict of the gate",
        "version 3: alias 'challenger'",
        "version 2: alias 'shadow'",
    }
    assert states(known.settings)["3"].registration.startswith("its registration is signed with another key")
    assert registry.find_champion(known.settings).version == "2"


@pytest.mark.parametrize("name", ["x'y", "x' OR name LIKE '%", "", "../up"])
def test_a_model_of_a_hostile_name_does_not_keep_anybody_from_exchanging_the_key(known, name):
    quoted = name.replace("'", "''")
    row = f"VALUES ('{quoted}', 'default', 1)"
    known.write(f"INSERT INTO registered_models (name, workspace, creation_time) {row}")
    assert rotate_key(Layout.of(known.settings)).signed == 11
    assert states(known.settings)["2"].trouble is None


def test_models_beyond_the_first_page_of_an_answer_are_signed_anew(known):
    rows = ", ".join(f"('a{number:03}', 'default', 1)" for number in range(120))
    known.write(f"INSERT INTO registered_models (name, workspace, creation_time) VALUES {rows}")
    assert rotate_key(Layout.of(known.settings)).signed == 11
    assert registry.find_champion(known.settings).version == "2"


ELSEWHERE = "postgresql://db.example:5432/pairity"


def sign_elsewhere(known):
    """As the profile `cluster` notes where it stores what it signs."""
    with open_keys(known.settings.root, to_sign=True) as place:
        ledger.note_database(place, str(known.settings.root), ELSEWHERE)


def test_a_database_that_cannot_be_asked_keeps_its_key(known):
    sign_elsewhere(known)
    old = key_file().read_bytes()
    with pytest.raises(SignatureError, match=f"in {ELSEWHERE} too") as refused:
        rotate_key(Layout.of(known.settings))
    assert "--leave-databases" in refused.value.remedy
    assert key_file().read_bytes() == old
    assert [path for path in key_file().parent.iterdir() if "next" in path.name] == []
    assert registry.find_champion(known.settings).version == "2"


def test_a_database_that_is_gone_is_left_once_and_named(known):
    sign_elsewhere(known)
    registry.promote(known.settings, "1", "what is noted of databases outlives other notes", NOW)
    done = rotate_key(Layout.of(known.settings), leave_databases=True)
    assert (done.left, done.absent) == ((), (ELSEWHERE,))
    assert registry.find_champion(known.settings).version == "1"
    assert rotate_key(Layout.of(known.settings)).absent == ()


def test_the_names_of_databases_are_sealed_with_the_ledger(known):
    sign_elsewhere(known)
    [file] = key_file().parent.glob("*.ledger-*")
    file.write_text(file.read_text().replace("db.example", "another"))
    with pytest.raises(SignatureError, match="was not written with the signing key beside it"):
        rotate_key(Layout.of(known.settings))


def test_going_back_stays_impossible_after_an_exchange(known):
    rotate_key(Layout.of(known.settings))
    known.write(point("champion", 1))
    with pytest.raises(SignatureError, match="the registry was set back"):
        registry.find_champion(known.settings)
    known.write(point("champion", 2))
    assert registry.rollback(known.settings, "but a person may", NOW).version == "1"


def test_every_directory_of_the_key_is_signed_anew_and_those_that_are_gone_are_named(known, tmp_path):
    other, gone = known.copied(tmp_path / "other"), known.copied(tmp_path / "gone")
    shutil.rmtree(gone.settings.root)
    done = rotate_key(Layout.of(known.settings))
    assert str(gone.settings.root) in done.absent
    assert not done.left or all(str(gone.settings.root) not in line for line in done.left)
    for there in (known, other):
        assert registry.find_champion(there.settings).version == "2"
    known.write(copy_tags(1, 2, "signature.registration"))
    with pytest.raises(SignatureError):
        registry.find_champion(known.settings)


class Killed(BaseException):
    """Sudden death: nothing of the product may catch it."""


FEW = (0, 4, 11, 12)
"""Before anything, between signatures, before the ledger, and never."""


@pytest.mark.parametrize(
    "steps", [*FEW, *(pytest.param(steps, marks=pytest.mark.slow) for steps in range(14) if steps not in FEW)]
)
def test_an_exchange_that_is_killed_anywhere_leaves_everything_valid_and_goes_on(known, monkeypatch, steps):
    left = [steps]

    def step():
        if left[0] == 0:
            raise Killed
        left[0] -= 1

    real_write, real_sign = PrivateFolder.write, key_rotation.sign

    def write(folder, name, content):
        step()
        real_write(folder, name, content)

    def sign(*given):
        step()
        return real_sign(*given)

    monkeypatch.setattr(PrivateFolder, "write", write)
    monkeypatch.setattr(key_rotation, "sign", sign)
    killed = False
    try:
        rotate_key(Layout.of(known.settings))
    except Killed:
        killed = True
    monkeypatch.undo()
    assert killed == (steps < 12)
    assert registry.find_champion(known.settings).version == "2"
    assert all(state.trouble is None for state in states(known.settings).values())
    promoted = registry.promote(known.settings, "1", "in between", NOW)  # the old key signs on
    assert promoted.version == "1"
    assert rotate_key(Layout.of(known.settings)).left == ()
    assert registry.find_champion(known.settings).version == "1"


def test_without_a_key_there_is_nothing_to_exchange(known):
    key_file().unlink()
    with pytest.raises(SignatureError, match="there is no signing key"):
        rotate_key(Layout.of(known.settings))
    assert not key_file().exists()
