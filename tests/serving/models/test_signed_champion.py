"""Who writes into the tracking store without the key changes nothing of what is traded, and stops no process."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from model_registry import registry
from model_registry.approval import confirm_version
from model_registry.claims import LINEAGE_TAGS, PROMOTION_TAGS, VERDICT_TAGS
from model_registry.connection import open_client
from pairity.errors import LiveSwitchError, NoChampionError, PairityError, SignatureError, UnknownNameError
from pairity.layout import Layout
from serving.models.champion import Champion
from serving.models.scoring import load_scorer
from serving.risk import Mode
from tests.examples import examples
from tests.model_registry.registries import (
    FAILED,
    PASSED,
    Registry,
    copy_tags,
    drop_tags,
    insert_version,
    point,
    set_tag,
)
from tests.serving.registered_models import NOW


@pytest.fixture(scope="module")
def made(signed_registry: Registry) -> Registry:
    return signed_registry


@pytest.fixture
def known(made: Registry) -> Iterator[Registry]:
    with made.restored():
        yield made


@pytest.fixture(scope="module")
def process(made: Registry) -> Champion:
    """A running process with the true champion, version 2."""
    return Champion(made.settings, Mode.DEMO)


TAG = "another"
TRICKS: dict[str, tuple[list[str], str]] = {
    "a version that nobody registered": (
        [insert_version(9, like=2), copy_tags(2, 9), point("champion", 9)],
        "its registration is not what was signed",
    ),
    "a version that nobody registered, unsigned": (
        [
            insert_version(9, like=2),
            copy_tags(2, 9),
            drop_tags(9, "signature.%"),
            set_tag(9, "gate", "passed"),
            point("champion", 9),
        ],
        "its registration is not signed",
    ),
    "the challenger, by its alias alone": ([point("champion", 3)], "its alias 'champion' is not signed"),
    "the challenger, said to have passed": (
        [set_tag(3, "gate", "passed"), point("champion", 3)],
        "its verdict of the gate is not what was signed",
    ),
    "the challenger with the verdict of the champion": (
        [copy_tags(2, 3, "gate%"), copy_tags(2, 3, "signature.verdict"), point("champion", 3)],
        "its verdict of the gate is not what was signed",
    ),
    "the challenger without a verdict": (
        [drop_tags(3, "gate%"), drop_tags(3, "signature.verdict"), point("champion", 3)],
        "the signature of its verdict of the gate was removed",
    ),
    "the challenger with the champion's alias statement": (
        [copy_tags(2, 3, "signature.alias.champion"), point("champion", 3)],
        "its alias 'champion' is not what was signed",
    ),
    "the challenger with its own alias statement under another name": (
        [
            set_tag(3, "signature.alias.champion", ""),
            "UPDATE model_version_tags SET value = (SELECT value FROM model_version_tags WHERE version = 3 AND "
            "key = 'signature.alias.challenger') WHERE version = 3 AND key = 'signature.alias.champion'",
            point("champion", 3),
        ],
        "its alias 'champion' is not what was signed",
    ),
    "all tags of the champion": ([copy_tags(2, 3), point("champion", 3)], "its registration is not what was signed"),
    "an older champion with its own genuine signatures": ([point("champion", 1)], "the registry was set back"),
    "no signature of the registration": ([drop_tags(2, "signature.registration")], "registration was removed"),
    "no signature of the verdict": ([drop_tags(2, "signature.verdict")], "verdict of the gate was removed"),
    "no signature of the alias": ([drop_tags(2, "signature.alias.champion")], "alias 'champion' was removed"),
    "no signatures": ([drop_tags(2, "signature.%")], "the signature of its registration was removed"),
    "a damaged signature": ([set_tag(2, "signature.registration", "{")], "of its registration is damaged"),
    "a signature with another key": (
        [set_tag(2, "signature.registration", '{"sequence": 1, "key": "0123456789abcdef", "code": "00"}')],
        "is signed with another key",
    ),
    "runs exchanged": (["UPDATE model_versions SET run_id = 'f' WHERE version = 2"], "its registration is not what"),
    "files exchanged": (
        ["UPDATE model_versions SET source = 'models:/m-1' WHERE version = 2"],
        "its registration is not what was signed",
    ),
    "another digest": ([set_tag(2, "model_sha256", "0" * 64)], "its registration is not what was signed"),
    "another model under this name": (
        [
            "PRAGMA foreign_keys = OFF",
            *(
                f"UPDATE {table} SET version = CASE version WHEN 1 THEN 20 WHEN 2 THEN 1 WHEN 3 THEN 2 END"
                for table in ("model_versions", "model_version_tags")
            ),
        ],
        "its registration is not what was signed",
    ),
}
for _tag in sorted({*LINEAGE_TAGS, *VERDICT_TAGS, *PROMOTION_TAGS}):
    TRICKS[f"{_tag} changed"] = ([set_tag(2, _tag, TAG)], "is not what was signed")
for _tag in ("snapshot_id", "gate", "promoted_at", "signature.registration"):
    TRICKS[f"{_tag} is no text"] = (
        [f"UPDATE model_version_tags SET value = x'ff' WHERE version = 2 AND key = '{_tag}'"],
        "its " if _tag != "signature.registration" else "the signature of its registration was removed",
    )
# What was never there cannot be removed
for _tag in sorted(
    {*LINEAGE_TAGS, *VERDICT_TAGS, *PROMOTION_TAGS} - {"training_digest", "code_dirty", "fitted_sha256"}
):
    TRICKS[f"{_tag} removed"] = ([drop_tags(2, _tag)], "is not what was signed")


def require_suspended(process: Champion, words: str) -> None:
    assert process.suspended is None
    (problem,) = process.follow()  # and raises nothing
    assert words in problem
    assert "version 2 watches what is held, nothing is opened" in problem
    assert process.suspended is not None
    assert process.suspended in problem
    assert process.ref.version == "2"


def require_mended(process: Champion) -> None:
    assert process.follow() == []
    assert (process.suspended, process.ref.version) == (None, "2")


@pytest.mark.parametrize("trick", TRICKS)
def test_what_was_not_signed_is_not_traded(made: Registry, process: Champion, trick: str) -> None:
    statements, words = TRICKS[trick]
    with made.restored():
        made.write(*statements)
        with pytest.raises(SignatureError) as caught:
            registry.find_champion(made.settings)
        assert words in caught.value.what
        assert "pairity models" in caught.value.remedy
        require_suspended(process, words)
    require_mended(process)


def test_an_older_database_does_not_come_back(made: Registry, process: Champion) -> None:
    with made.restored():
        made.put_back(made.before)
        require_suspended(process, "was replaced by a newer one (number 1, in force is 2): the registry was set back")
    require_mended(process)


def test_the_database_of_another_directory_does_not_count_here(
    made: Registry, process: Champion, tmp_path: Path
) -> None:
    """The same owner's key signed it, with the same numbers of everything."""
    with made.restored():
        other = made.copied(tmp_path / "other")
        assert registry.find_champion(other.settings).version == "2"
        made.put_back(other.dump())
        require_suspended(process, "the data directory was moved or copied")
    require_mended(process)


def test_another_model_that_is_given_this_name_does_not_count(made: Registry, process: Champion) -> None:
    with made.restored():
        client = open_client(Layout.of(made.settings))
        client.rename_registered_model(made.name, "parked")
        with pytest.raises(NoChampionError):
            registry.find_champion(made.settings)
        assert process.follow()
        assert process.suspended
        client.create_registered_model(made.name)
        source = made.versions[1]
        tags = {name: value for name, value in source.tags.items() if value}
        created = client.create_model_version(made.name, source=source.uri, run_id=source.run_id, tags=tags)
        client.set_registered_model_alias(made.name, "champion", created.version)
        (problem,) = process.follow()
        assert "is not what was signed" in problem
    require_mended(process)


def test_a_key_that_is_gone_or_open_to_others_opens_nothing(made: Registry, process: Champion) -> None:
    key = Path(os.environ["PAIRITY_SIGNING_KEY"])
    with made.restored():
        key.chmod(0o644)
        require_suspended(process, "has the mode 0644")
        key.chmod(0o600)
        require_mended(process)
        key.unlink()
        require_suspended(process, "there is no signing key at")
    require_mended(process)


def test_a_ledger_that_is_gone_changed_or_older_opens_nothing(made: Registry, process: Champion) -> None:
    folder, home = Path(os.environ["PAIRITY_SIGNING_KEY"]).parent, str(made.settings.root)
    (ledger,) = [path for path in folder.glob("*ledger-*") if f'"store": "{home}"' in path.read_text()]
    content = ledger.read_bytes()
    with made.restored():
        ledger.unlink()
        require_suspended(process, "the ledger beside the signing key does not know of its registration")
        for changed in (content.replace(b'"issued": 2', b'"issued": 3'), b"", b"[]", b"{}", content[:-9], b"\xff"):
            ledger.write_bytes(changed)
            ledger.chmod(0o600)
            process.suspended = None
            require_suspended(process, "was not written with the signing key beside it")
    require_mended(process)


def test_an_unsigned_challenger_is_not_scored_in_shadow(known: Registry) -> None:
    known.write(point("challenger", 1))
    with pytest.raises(SignatureError, match="its alias 'challenger' was replaced by a newer one"):
        registry.find_alias(known.settings, "challenger")
    known.write(point("challenger", 2))
    with pytest.raises(SignatureError, match="its alias 'challenger' was replaced by a newer one"):
        registry.find_alias(known.settings, "challenger")
    known.write(point("challenger", 3), set_tag(3, "train_end", "2020-01-01T00:00:00+00:00"))
    with pytest.raises(SignatureError, match="is not what was signed"):
        registry.find_alias(known.settings, "challenger")


def test_nothing_unsigned_is_loaded_by_whatever_way(known: Registry) -> None:
    known.write(set_tag(1, "snapshot_id", "another"))
    model = registry.find_version(known.settings, "1")
    with pytest.raises(SignatureError, match="is not what was signed"):
        load_scorer(known.settings, model)
    for attempt in (
        lambda: registry.promote(known.settings, "1", "x", NOW),
        lambda: registry.rollback(known.settings, "x", NOW),
        lambda: registry.record_verdict(known.settings, "1", PASSED),
        lambda: confirm_version(known.settings, model),
    ):
        with pytest.raises(SignatureError, match="is not what was signed"):
            attempt()
    assert registry.find_champion(known.settings).version == "2"


def test_a_rollback_goes_only_where_a_promotion_of_ours_came_from(known: Registry) -> None:
    known.write(set_tag(2, "replaced", "3"))
    with pytest.raises(SignatureError, match="its alias 'champion' is not what was signed"):
        registry.rollback(known.settings, "x", NOW)
    known.write(set_tag(2, "replaced", "1"), point("champion", 3))
    promoted = registry.promote(known.settings, "1", "by hand", NOW)  # and not: it replaced version 3
    assert promoted.tags["replaced"] == "2"
    known.write(copy_tags(2, 3, "signature.alias.champion"), set_tag(1, "replaced", "3"))
    with pytest.raises(SignatureError):
        registry.rollback(known.settings, "x", NOW)


def test_a_promotion_mends_what_somebody_did_to_the_alias(known: Registry) -> None:
    known.write(point("champion", 1))
    with pytest.raises(SignatureError, match="set back"):
        registry.find_champion(known.settings)
    assert registry.promote(known.settings, "1", "that one then", NOW).version == "1"
    assert registry.find_champion(known.settings).tags["replaced"] == "2"
    assert registry.rollback(known.settings, "no", NOW).version == "2"


def test_a_process_that_starts_watches_with_the_last_version_that_was_signed(known: Registry) -> None:
    for statements in ([point("champion", 3)], [point("champion", 1)], [drop_tags(2, "signature.alias.champion")]):
        with known.restored():
            known.write(*statements)
            started = Champion(known.settings, Mode.DEMO)
            assert started.ref.version == "2"
            (problem,) = started.follow()
            assert "version 2 watches what is held, nothing is opened" in problem
            assert started.suspended
    known.write(drop_tags(2, "signature.registration"))
    with pytest.raises(SignatureError, match="registration was removed"):
        Champion(known.settings, Mode.DEMO)


def test_real_money_waits_until_a_person_has_confirmed_the_version(known: Registry) -> None:
    live = Champion(known.settings, Mode.LIVE)
    assert live.suspended == "champion version 2 waits to be confirmed for real money (pairity models confirm 2)"
    (problem,) = live.follow()
    assert problem.endswith("version 2 watches what is held, nothing is opened")
    confirm_version(known.settings, registry.find_version(known.settings, "2"))
    assert (live.follow(), live.suspended) == ([], None)
    assert Champion(known.settings, Mode.LIVE).suspended is None
    registry.rollback(known.settings, "a test", NOW)  # confirmed is a version, not whoever is champion
    (problem,) = live.follow()
    assert "champion version 1 waits to be confirmed" in problem
    assert live.ref.version == "2"
    known.write(copy_tags(2, 1, "signature.confirmation"))
    (problem,) = live.follow()
    assert "champion version 1 waits to be confirmed" in problem


def test_demo_trading_waits_for_nobody(known: Registry) -> None:
    assert Champion(known.settings, Mode.DEMO).suspended is None
    assert Champion(known.settings, Mode.PAPER).suspended is None


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.DEMO])
def test_a_version_on_the_command_line_is_the_only_one_that_opens_positions(known: Registry, mode: Mode) -> None:
    process = Champion(known.settings, mode, pinned="2")
    assert (process.follow(), process.suspended) == ([], None)
    registry.rollback(known.settings, "a test", NOW)
    (problem,) = process.follow()
    assert problem.startswith("version 2 is pinned on the command line, and version 1 is champion; version 2 watches")
    registry.promote(known.settings, "2", "again", NOW)
    assert (process.follow(), process.suspended) == ([], None)
    with pytest.raises(UnknownNameError, match="'7'"):
        Champion(known.settings, mode, pinned="7")


def test_pinning_and_confirming_do_not_replace_the_gate(known: Registry) -> None:
    registry.promote(known.settings, "3", "forced: a test", NOW)
    for pinned in ("3", None):
        with pytest.raises(LiveSwitchError, match="the promotion gate says 'failed'"):
            Champion(known.settings, Mode.LIVE, pinned=pinned)
    registry.record_verdict(known.settings, "3", PASSED)
    passed = known.dump()
    assert Champion(known.settings, Mode.LIVE, pinned="3").suspended is None
    registry.record_verdict(known.settings, "3", FAILED)
    known.put_back(passed)  # the older verdict, with its genuine signature
    with pytest.raises(SignatureError, match="its verdict of the gate was replaced by a newer one"):
        registry.find_champion(known.settings)


CELLS = ("model_versions", "model_version_tags", "registered_model_aliases", "registered_models")
VALUES = st.one_of(
    st.none(),
    st.integers(-3, 12),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=12).filter(lambda text: "\x00" not in text),
    st.binary(max_size=8),
    st.sampled_from(["champion", "challenger", "passed", "READY", "None", "1", "2", "3", "{}", "default"]),
)


@hypothesis_settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(CELLS), st.integers(0, 60), st.integers(0, 13), VALUES), min_size=1, max_size=3)
)
def test_whatever_stands_in_the_database_no_other_model_trades_and_nothing_is_raised(
    made: Registry, process: Champion, changes: list[tuple[str, int, int, object]]
) -> None:
    content = made.dump()
    before = registry.find_champion(made.settings)
    try:
        with closing(made.connect()) as database, database:
            for table, row, column, value in changes:
                names = [item[1] for item in database.execute(f"PRAGMA table_info({table})")]
                rows = [item[0] for item in database.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]
                where = (value, rows[row % len(rows)])
                database.execute(
                    f"UPDATE OR IGNORE {table} SET {names[column % len(names)]} = ? WHERE rowid = ?", where
                )
        process.follow()
        assert process.ref.key == before.key
        if process.suspended is None:
            try:
                after = registry.find_champion(made.settings)
            except PairityError:
                pass  # what cannot be read is said so, and is no other model
            else:
                signed = {*LINEAGE_TAGS, *VERDICT_TAGS, *PROMOTION_TAGS}
                assert {tag: after.tags.get(tag) for tag in signed} == {tag: before.tags.get(tag) for tag in signed}
                assert (after.key, after.run_id, after.uri) == (before.key, before.run_id, before.uri)
    finally:
        made.put_back(content)
    require_mended(process)


def test_the_oracle_of_a_database_writer_is_real(known: Registry) -> None:
    """What the tests write is what MLflow reads: else nothing above would prove anything."""
    known.write(point("champion", 1), set_tag(1, "snapshot_id", "seen"))
    model = open_client(Layout.of(known.settings)).get_model_version_by_alias(known.name, "champion")
    assert (str(model.version), model.tags["snapshot_id"]) == ("1", "seen")
    with closing(known.connect()) as database, pytest.raises(sqlite3.OperationalError):
        database.execute("SELECT nothing FROM nowhere")
