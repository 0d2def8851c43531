"""Against somebody who can put back anything that ever stood in the store, only the newest statement counts."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from model_registry import ledger
from model_registry.claims import claim_alias
from model_registry.ledger import Progress
from model_registry.records import ModelRef
from model_registry.signatures import Signer, Verifier, signing
from pairity.errors import SignatureError
from pairity.layout import Layout

VERSIONS = ("1", "2", "3")


def make_version(number: str) -> ModelRef:
    return ModelRef(
        name="m",
        version=number,
        run_id="r",
        uri="models:/m-1",
        sha256="s",
        feature_service="f",
        snapshot_id="p",
        train_end="t",
        tags={"feature_service": "f", "model_sha256": "s"},
    )


class Replays(RuleBasedStateMachine):
    """A store of three versions and an alias; an owner who promotes and may be killed; somebody who replays.

    The oracle is one name: the version that was promoted last. While a promotion was killed half-way it is two names.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("PAIRITY_SIGNING_KEY", f"{self.folder.name}/key/signing.key")
        self.layout = Layout(Path(self.folder.name) / "home")
        self.seen: dict[str, list[dict[str, str]]] = {version: [] for version in VERSIONS}
        self.alias: str | None = None
        self.meant: set[str | None] = {None}
        with signing(self.layout) as signer:
            self.store = {number: signer.sign_registration(make_version(number)) for number in VERSIONS}
            signer.put_in_force()
        self._note()

    def teardown(self) -> None:
        self.patch.undo()
        self.folder.cleanup()

    def _note(self) -> None:
        for number, model in self.store.items():
            self.seen[number].append(dict(model.tags))

    @rule(number=st.sampled_from(VERSIONS), killed_after=st.sampled_from(["signed", "stored", "pointed", None]))
    def promote(self, number: str, killed_after: str | None) -> None:
        with signing(self.layout) as signer:
            named = signer.sign_alias(self.store[number], "champion")
            self.seen[number].append(dict(named.tags))  # somebody may have read it from a crash or a backup
            # Killed before the pointer is moved, the older one is still there, and both are the owner's
            self.meant = self.meant | {number}
            if killed_after == "signed":
                return
            self.store[number] = named
            if killed_after == "stored":
                return
            self.alias = number
            if killed_after == "pointed":
                return
            signer.put_in_force()
        self.meant = {number}

    @rule(number=st.sampled_from(VERSIONS), data=st.data())
    def replay_tags(self, number: str, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(VERSIONS))
        tags = data.draw(st.sampled_from(self.seen[source]))
        self.store[number] = replace(self.store[number], tags=tags)

    @rule(number=st.sampled_from(VERSIONS))
    def point(self, number: str) -> None:
        self.alias = number

    @rule(number=st.sampled_from(VERSIONS))
    def restore(self, number: str) -> None:
        """The owner signs a version of the store anew, as it was when it was registered."""
        with signing(self.layout) as signer:
            self.store[number] = signer.sign_registration(replace(make_version(number)))
            signer.put_in_force()
        self._note()

    @invariant()
    def only_what_the_owner_meant_counts(self) -> None:
        if self.alias is None:
            return
        try:
            Verifier(self.layout).require_alias(self.store[self.alias], "champion")
        except SignatureError:
            return
        assert self.alias in self.meant
        # Whoever was seen in force cannot be gone behind any more, even where the promoter was killed
        self.meant = {self.alias} | {number for number in self.meant if self._is_newer(number)}

    def _is_newer(self, number: str | None) -> bool:
        if number is None or self.alias is None:
            return False
        signature = claim_alias(str(self.layout.root), self.store[self.alias], "champion").signature
        assert signature is not None
        progress = Verifier(self.layout)._ledger.progress("m", "alias champion")
        return progress.issued > signature.sequence


Replays.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
test_only_the_newest_statement_counts = Replays.TestCase


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRITY_SIGNING_KEY", str(tmp_path / "key" / "signing.key"))
    from model_registry.signing_key import open_keys

    with open_keys(tmp_path / "home", to_sign=True) as opened:
        yield opened


def test_numbers_go_up_and_are_given_once(place):
    assert [ledger.issue(place, "/a", "m", "alias x") for _ in range(3)] == [1, 2, 3]
    assert ledger.issue(place, "/a", "m", "alias y") == 1
    assert ledger.issue(place, "/b", "m", "alias x") == 1
    ledger.reach(place, "/a", "m", "alias x", 2, "7")
    ledger.reach(place, "/a", "m", "alias x", 1, "6")  # late, and of no effect
    assert ledger.read_ledger(place, "/a").progress("m", "alias x") == Progress(3, 2, "7")
    assert ledger.issue(place, "/a", "m", "alias x") == 4


@pytest.mark.parametrize(
    ("progress", "allowed"),
    [(Progress(), set()), (Progress(1, 0), {1}), (Progress(3, 2), {2, 3}), (Progress(3, 3), {3})],
)
def test_what_may_be_in_force_lies_between_what_was_and_what_was_given_out(progress, allowed):
    assert {number for number in range(-2, 9) if progress.allows(number)} == allowed


def test_a_ledger_of_another_directory_or_key_is_none(place, tmp_path):
    ledger.issue(place, "/a", "m", "x")
    ledger.issue(place, "/b", "m", "x")
    one, two = sorted(path for path in (tmp_path / "key").glob("*.ledger-*"))
    two.write_bytes(one.read_bytes())
    for store in ("/a", "/b"):
        file = ledger._file_of(place, store)
        if (tmp_path / "key" / file) == two:
            with pytest.raises(SignatureError, match="was not written with the signing key"):
                ledger.read_ledger(place, store)
    content = json.loads(one.read_text())
    for change in ({"store": "/c"}, {"entries": {}}, {"code": "0" * 64}, {"code": None}, {"key": "x"}, {"more": 1}):
        one.write_text(json.dumps(content | change))
        with pytest.raises(SignatureError, match="was not written with the signing key"):
            ledger.read_ledger(place, content["store"])


def test_the_ledger_is_for_its_owner_alone(place, tmp_path):
    ledger.issue(place, "/a", "m", "x")
    for path in (tmp_path / "key").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_signer_knows_only_its_own_numbers(place):
    signer = Signer(place, "/a")
    model = signer.sign_registration(make_version("1"))
    forged = replace(
        model, tags={**model.tags, "signature.alias.champion": '{"sequence": 99, "key": "k", "code": "c"}'}
    )
    signer.sign_alias(forged, "champion")
    signer.put_in_force()
    assert ledger.read_ledger(place, "/a").progress("m", "alias champion") == Progress(1, 1, "1")
