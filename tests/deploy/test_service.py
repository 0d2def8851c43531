"""The unit and the container file: what systemd says of the unit, and what the text of both promises."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pairity.trading_settings import ServeSettings
from pairity_cli.main import COMMANDS
from serving import health
from tests.house.source_tree import PACKAGES, ROOT

UNIT = ROOT / "deploy" / "systemd" / "pairity.service"
CONTAINER = ROOT / "deploy" / "container" / "Containerfile"
MOST_EXPOSURE = 2.0


def analyze(*arguments: str) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not here")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with a program that exists, which is all that a checkout lacks."""
    path = tmp_path / "pairity.service"
    path.write_text(UNIT.read_text().replace("/opt/pairity/.venv/bin/pairity serve", "/bin/true"))
    return path


def test_systemd_accepts_the_unit(installed: Path) -> None:
    assert analyze("verify", "--man=no", str(installed)).strip() == ""


def test_systemd_finds_it_little_exposed(installed: Path) -> None:
    said = analyze("security", "--offline=true", "--no-pager", str(installed))
    found = re.search(r"Overall exposure level for pairity.service: ([\d.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= MOST_EXPOSURE


def service() -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return dict(parser["Service"])


def test_the_watchdog_is_more_patient_than_the_longest_step() -> None:
    longest = health._WORK_S + 2 * ServeSettings().watch_s
    assert float(service()["WatchdogSec"]) > longest


def test_the_stop_leaves_time_for_an_order_and_its_protection() -> None:
    serve = ServeSettings()
    assert float(service()["TimeoutStopSec"]) >= 2 * (serve.order_deadline_s + serve.leg_deadline_s)
    assert service()["KillMode"] == "mixed"
    assert service()["Type"] == "notify"


def test_the_unit_names_no_key() -> None:
    text = UNIT.read_text()
    assert not re.search(r"(API_KEY|API_SECRET|PASSPHRASE|TOKEN)=", text)
    assert "PAIRITY_LIVE_TRADING" not in text


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", CONTAINER.read_text())
    lines = [line.strip() for line in joined.splitlines()]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line and not line.startswith("#")]


def test_only_named_folders_of_the_product_enter_the_image() -> None:
    copied = [shlex.split(rest)[:-1] for name, rest in instructions() if name == "COPY" and "--from=build" not in rest]
    sources = {source.rstrip("/") for group in copied for source in group}
    assert sources == {"${LOCK}", "pyproject.toml", "README.md", *PACKAGES}
    assert ("ARG", "LOCK=requirements.lock") in instructions(), "without an argument the image has no extra"
    assert not [name for name, _ in instructions() if name == "ADD"]


def test_no_layer_holds_a_secret_and_nobody_is_root() -> None:
    for name, rest in instructions():
        if name in {"ENV", "ARG"}:
            assert not re.search(r"API_|SECRET|PASSPHRASE|TOKEN|LIVE", rest), rest
    last = max(place for place, (name, _) in enumerate(instructions()) if name == "FROM")
    stage = instructions()[last:]
    users = [rest for name, rest in stage if name == "USER"]
    assert users == ["10001:10001"]
    assert [name for name, _ in stage].index("USER") < [name for name, _ in stage].index("ENTRYPOINT")


def test_packages_come_by_hash_and_as_wheels_alone() -> None:
    runs = " ".join(rest for name, rest in instructions() if name == "RUN")
    assert "--require-hashes --only-binary :all:" in re.sub(r"\s+", " ", runs)
    assert "http" not in CONTAINER.read_text()


def test_the_health_check_and_the_entry_are_commands_of_ours() -> None:
    found = dict(instructions())
    assert '["pairity", "health", "alive"]' in found["HEALTHCHECK"]
    assert "health" in COMMANDS
    assert (found["ENTRYPOINT"], found["CMD"]) == ('["pairity"]', '["serve"]')
    assert found["STOPSIGNAL"] == "SIGTERM"
