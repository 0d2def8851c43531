"""`pairity models`: who signed what, signing by hand, confirming, exchanging the key."""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from model_registry import registry
from model_registry.approval import is_confirmed
from pairity.errors import LiveSwitchError, SignatureError
from pairity.layout import Layout
from pairity_cli.main import main
from serving.journal import Journal
from serving.journal.verdict_records import ParityVerdict
from serving.models.champion import require_proven
from serving.parity_verdicts import keep_verdict
from serving.risk import Mode
from tests.model_registry.registries import drop_tags, point, set_tag
from tests.pairity_cli.test_narrow_screens import require_all


@pytest.fixture
def known(signed_registry, tmp_path):
    with signed_registry.with_own_key(tmp_path / "key"):
        yield signed_registry


@pytest.fixture
def run(known):
    environment = {
        "PAIRITY_HOME": str(known.settings.root),
        "PAIRITY_UNIVERSE__ASSETS": json.dumps(["BTC", "ETH", "SOL"]),
    }

    def invoke(*arguments, answer=None):
        return CliRunner().invoke(main, [*arguments], env=environment, input=answer)

    return invoke


def test_the_list_says_what_is_signed_and_confirmed(known, run):
    shown = run("models").output
    assert "signed" in shown
    assert "NO" not in shown
    known.write(set_tag(3, "gate", "passed"), point("champion", 1))
    shown = run("models").output
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()[:1].isdigit()}
    assert " NO " in lines["1"]
    assert " NO " in lines["3"]
    assert " NO " not in lines["2"]
    assert "version 3 is not used: its verdict of the gate is not what was signed" in shown
    assert "version 1 is not used: its alias 'champion' was replaced by a newer one" in shown
    one = run("models", "3").output
    assert "NO: its verdict of the gate is not what was signed" in one
    assert "not confirmed" in one
    assert run("models", "show", "3").output == one


def test_no_id_of_a_version_is_cut_at_80_columns(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for line in (["models"], ["models", "latest"], ["models", "champion"]):
        require_all(run(*line).stdout, json.loads(run(*line, "--json").stdout))


def test_a_version_is_named_by_number_alias_or_latest(run):
    assert run("models", "latest").output == run("models", "3").output
    assert run("models", "champ").output == run("models", "2").output
    unknown = run("models", "chmpion")
    assert unknown.exit_code == 2
    assert "did you mean 'champion'?" in unknown.output


def test_an_unsigned_version_is_shown_and_signed_by_hand(known, run):
    """As a registry of an earlier release looks."""
    known.write(*(drop_tags(version, "signature.%") for version in (1, 2, 3)))
    for path in Path(os.environ["PAIRITY_SIGNING_KEY"]).parent.glob("*.ledger-*"):
        path.unlink()
    with pytest.raises(SignatureError, match="its registration is not signed") as caught:
        registry.find_champion(known.settings)
    assert caught.value.remedy.endswith("pairity models sign 2")
    refused = run("models", "sign", "2", answer="n\n")
    assert refused.exit_code == 2
    assert "nothing was signed" in refused.stderr
    for words in ("second", "model_sha256", "champion", "net return +2.00%"):  # lineage, alias and verdict were shown
        assert words in refused.stdout
    with pytest.raises(SignatureError):
        registry.find_champion(known.settings)
    signed = run("models", "sign", "2", answer="y\n")
    assert signed.exit_code == 0, signed.output
    assert signed.stdout.endswith("version 2 of pair_forest is signed, as champion\n")
    assert registry.find_champion(known.settings).version == "2"
    assert "is signed already" in run("models", "sign", "2", "--yes").stdout
    assert run("models", "sign", "1", "--yes").exit_code == 0


def test_what_contradicts_itself_or_has_other_files_is_not_signed(known, run):
    known.write(drop_tags(3, "signature.%"), set_tag(3, "gate", "passed"))
    refused = run("models", "sign", "3", "--yes")
    assert refused.exit_code == 5
    assert "says of the gate 'passed', its checks say 'failed'" in refused.stderr
    known.write(set_tag(3, "gate_checks", '[{"name": "net", "passed": "yes", "found": "", "needed": ""}]'))
    assert "the gate's checks cannot be read" in run("models", "sign", "3", "--yes").stderr
    assert run("models").exit_code == 0
    known.write(drop_tags(1, "signature.%"), set_tag(1, "model_sha256", "0" * 64))
    assert run("models", "sign", "1", "--yes").exit_code == 5


def test_a_version_is_confirmed_by_a_person_who_has_seen_it(known, run):
    assert run("models", "confirm", "2", answer="n\n").exit_code == 2
    assert not is_confirmed(known.settings, registry.find_version(known.settings, "2"))
    confirmed = run("models", "confirm", "2", answer="y\n")
    assert confirmed.stdout.endswith("version 2 of pair_forest is confirmed for real money\n")
    assert is_confirmed(known.settings, registry.find_version(known.settings, "2"))
    assert "confirmed" in run("models", "2").output
    refused = run("models", "confirm", "3", "--yes")
    assert refused.exit_code == 2
    assert "the promotion gate says 'failed'" in refused.stderr
    known.write(set_tag(1, "snapshot_id", "another"))
    refused = run("models", "confirm", "1", "--yes")
    assert refused.exit_code == 5
    assert "is not what was signed" in refused.stderr


def test_the_key_is_exchanged_by_a_command(known, run):
    known.write(set_tag(3, "snapshot_id", "another"))
    done = run("models", "rotate-key")
    assert done.exit_code == 0, done.output
    assert "signs from now on" in done.stdout
    assert f"left as it is, because it did not verify: {known.settings.root}: pair_forest version 3" in done.stdout
    assert registry.find_champion(known.settings).version == "2"
    assert Path(os.environ["PAIRITY_SIGNING_KEY"]).read_text().strip() not in done.output


def test_commands_that_change_say_what_is_wrong_with_a_signature(known, run):
    known.write(set_tag(1, "snapshot_id", "another"))
    refused = run("promote", "1")
    assert refused.exit_code == 5
    assert "its registration is not what was signed" in refused.stderr
    assert "pairity models sign 1" in refused.stderr


@pytest.fixture
def mismatch(known):
    """Keep a verdict as a check of decisions leaves it, beside a journal without decisions."""
    layout = Layout.of(known.settings)
    Journal.open(layout.journal).close()

    def keep(*, different=3, hour=0):
        at = datetime(2026, 1, 5, hour, tzinfo=UTC)
        verdict = ParityVerdict(
            verdict_id=f"{hour:016x}",
            at=at,
            by="job",
            since=None,
            first_bar=at,
            last_bar=at,
            decisions=1,
            values=100,
            different=different,
            missing=0,
            extra=0,
            last_different=at if different else None,
            causes={"stale row": different} if different else {},
            examples=(),
        )
        keep_verdict(layout, verdict)

    yield keep
    shutil.rmtree(layout.parity_verdicts, ignore_errors=True)
    for path in layout.root.glob("journal*"):
        path.unlink()


def test_a_parity_mismatch_refuses_a_promotion_in_the_words_of_the_verdict(known, run, mismatch):
    mismatch()
    refused = run("promote", "1")
    assert refused.exit_code == 2
    for words in ("3 of 100 values differ (3 stale row)", "pairity parity", "--despite-parity"):
        assert words in refused.stderr
    assert registry.find_champion(known.settings).version == "2"
    mismatch(different=0, hour=1)
    done = run("promote", "1")
    assert done.exit_code == 0, done.output
    assert registry.find_champion(known.settings).version == "1"
    assert not registry.find_champion(known.settings).is_despite_parity


def test_going_over_a_mismatch_needs_a_reason_is_recorded_and_is_not_for_real_money(known, run, mismatch):
    mismatch()
    assert "--despite-parity needs a reason" in run("promote", "1", "--despite-parity").stderr
    done = run("promote", "1", "--despite-parity", "--reason", "a drill on paper")
    assert done.exit_code == 0, done.output
    champion = registry.find_champion(known.settings)
    assert champion.tags["promotion_reason"] == "despite parity (3 values differ): a drill on paper"
    with pytest.raises(LiveSwitchError, match="over a parity mismatch"):
        require_proven(Mode.LIVE, champion)
    require_proven(Mode.DEMO, champion)
    assert "over a parity mismatch" in run("models", "confirm", "1", "--yes").stderr
    # The way back to it does not make it fit for real money either
    mismatch(different=0, hour=1)
    assert run("promote", "2").exit_code == 0
    assert run("rollback", "--reason", "back").exit_code == 0
    again = registry.find_champion(known.settings)
    assert (again.version, again.is_despite_parity) == ("1", True)


def test_an_unknown_version_and_help(run):
    assert run("models", "7").exit_code == 2
    assert "unknown version of model 'pair_forest' '7'" in run("models", "sign", "7").stderr
    assert "rotate-key" in run("models", "--help").output
