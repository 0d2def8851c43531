"""What the doctor makes of figures that no test can bring about on this machine: full disks, little memory, clocks."""

from __future__ import annotations

import os
import resource
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ingestion.sources.okx_rows import read_listing
from pairity.errors import CredentialsError, VenueUnreachableError
from pairity.settings import Settings
from serving.doctor.case import Case
from serving.doctor.findings import Check, Severity, SkippedError, Sure
from serving.doctor.home import judge_space
from serving.doctor.machine import judge_memory, judge_open_files, judge_service, judge_threads, read_memory
from serving.doctor.software import LOCK, find_needed, judge_packages, judge_python, read_pins
from serving.doctor.venue_checks import CHECKS as VENUE_CHECKS
from serving.doctor.venue_facts import Skew, VenueFacts

MIB = 1 << 20
GONE = VenueUnreachableError("nothing answers")


def kinds(findings):
    return [(item.severity, item.what) for item in findings]


def file_system(free_mib=100_000, inodes=1_000_000, free_inodes=900_000, flags=0):
    blocks = free_mib * MIB // 4096
    return os.statvfs_result((4096, 4096, 10 * blocks, blocks, blocks, inodes, free_inodes, free_inodes, flags, 255))


def test_a_roomy_disk_is_fine(tmp_path):
    assert judge_space(file_system(), tmp_path) == []


@pytest.mark.parametrize(
    ("found", "severity", "what"),
    [
        (file_system(free_mib=100), Severity.FAULT, "the disk is full"),
        (file_system(free_mib=1000), Severity.WARNING, "the disk is nearly full"),
        (file_system(free_inodes=1000), Severity.WARNING, "the disk has nearly no inodes left"),
        (file_system(flags=os.ST_RDONLY), Severity.FAULT, "the file system is read-only"),
    ],
)
def test_a_disk_in_trouble(tmp_path, found, severity, what):
    (finding,) = judge_space(found, tmp_path)
    assert (finding.severity, finding.what) == (severity, what)
    assert str(tmp_path) in finding.fact


def test_a_file_system_without_inodes_is_fine(tmp_path):
    assert judge_space(file_system(inodes=0, free_inodes=0), tmp_path) == []


def test_memory_is_read_from_the_kernel(tmp_path):
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:       2048 kB\nMemAvailable:   307200 kB\nSwapFree:  102400 kB\nHugePages_Total:  0\n")
    figures = read_memory(file)
    assert figures == {"MemTotal": 2, "MemAvailable": 300, "SwapFree": 100}
    (finding,) = judge_memory(figures)
    assert "300 MiB" in finding.fact
    assert judge_memory(figures | {"SwapFree": 2000}) == []
    assert judge_memory(read_memory(tmp_path / "no such file")) == []


def test_the_limit_of_open_files():
    (finding,) = judge_open_files(256, 4096)
    assert finding.command.startswith("ulimit -n 4096")
    assert judge_open_files(1024, 4096) == []
    assert judge_open_files(resource.RLIM_INFINITY, resource.RLIM_INFINITY) == []


def test_threads_that_spin_or_crowd():
    assert judge_threads({"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "2"}, 2) == []
    spins, crowds = judge_threads({"OMP_WAIT_POLICY": "active", "POLARS_MAX_THREADS": "64"}, 2)
    assert (spins.severity, spins.command) == (Severity.WARNING, "unset OMP_WAIT_POLICY")
    assert (crowds.severity, crowds.command) == (Severity.HINT, "unset POLARS_MAX_THREADS")


def test_a_service_that_ends_with_the_log_out(tmp_path):
    run, linger = tmp_path / "run", tmp_path / "linger"
    unit = tmp_path / ".config" / "systemd" / "user" / "pairity.service"
    unit.parent.mkdir(parents=True)
    linger.mkdir()
    assert judge_service(tmp_path, run, linger, "ann") == []
    unit.touch()
    assert judge_service(tmp_path, run, linger, "ann") == []  # no systemd
    run.mkdir()
    (finding,) = judge_service(tmp_path, run, linger, "ann")
    assert finding.command == "loginctl enable-linger"
    (linger / "ann").touch()
    assert judge_service(tmp_path, run, linger, "ann") == []


def test_the_interpreter():
    assert judge_python((3, 12), 64) == []
    assert kinds(judge_python((3, 14), 64)) == [(Severity.FAULT, "this Python is not supported")]
    assert kinds(judge_python((3, 12), 32)) == [(Severity.FAULT, "this Python is not one of 64 bits")]


def test_the_lock_is_read_whole():
    pins = read_pins(LOCK)
    lines = [line for line in LOCK.read_text().splitlines() if line[:1].isalnum()]
    unmarked = [line.split("==")[0].lower() for line in lines if ";" not in line]
    assert set(pins) >= {"feast", "polars", "mlflow", *unmarked}
    assert all(version[0].isdigit() for version in pins.values())


def test_only_what_is_needed_counts():
    pins = {"a": "1.0", "b": "2.0", "tool": "3.0"}
    assert judge_packages(pins, {"a": "1.0", "b": "2.0"}, {"a", "b"}) == []
    missing, other = judge_packages(pins, {"a": "1.1"}, {"a", "b"})
    assert (missing.severity, missing.fact) == (Severity.FAULT, "b")
    assert (other.severity, other.fact) == (Severity.WARNING, "a 1.1 (locked: 1.0)")


def test_needed_packages_are_followed_through_extras_and_markers():
    known = {
        "feast": [
            "Dask[array]>=1 ; python_version > '3'",
            "winonly ; sys_platform == 'win32'",
            "docs ; extra == 'docs'",
        ],
        "dask": ["numpy", "arrays ; extra == 'array'", "frames ; extra == 'frame'"],
    }
    assert find_needed(["feast==1"], lambda name: known.get(name, [])) == {"feast", "dask", "numpy", "arrays"}


def facts(**changed):
    plain = VenueFacts(
        host="www.okx.com",
        is_okx=True,
        stage="reached",
        trouble=None,
        now=datetime(2026, 1, 2, tzinfo=UTC),
        skew=None,
        listings={},
        prices={},
        account=GONE,
    )
    return replace(plain, **changed)


def check(name: str, venue: VenueFacts):
    (chosen,) = (item for item in VENUE_CHECKS if item.name == name)
    assert isinstance(chosen, Check)
    return list(chosen.run(Case(live=False, settings=Settings(), refused=None, venue=venue)))


@pytest.mark.parametrize(
    ("offset_s", "uncertainty_s", "severity", "sure"),
    [
        (1.0, 0.1, None, None),
        (-4.8, 0.1, None, None),
        (4.8, 0.4, Severity.WARNING, Sure.LIKELY),
        (-5.2, 0.4, Severity.WARNING, Sure.LIKELY),
        (6.0, 0.4, Severity.FAULT, Sure.CERTAIN),
        (-31.0, 0.4, Severity.FAULT, Sure.CERTAIN),
    ],
)
def test_the_clock_with_its_uncertainty(offset_s, uncertainty_s, severity, sure):
    found = check("clock", facts(skew=Skew(timedelta(seconds=offset_s), timedelta(seconds=uncertainty_s))))
    if severity is None:
        assert found == []
        return
    (finding,) = found
    assert (finding.severity, finding.sure) == (severity, sure)
    assert f"{abs(offset_s):.2f} s {'ahead of' if offset_s > 0 else 'behind'}" in finding.fact
    assert finding.command == "sudo timedatectl set-ntp true"


def test_a_refused_timestamp_says_more_than_a_measured_offset():
    refusal = CredentialsError("the venue refused account/config: Timestamp request expired (code 50102)")
    (finding,) = check("clock", facts(skew=Skew(timedelta(0), timedelta(0)), account=refusal))
    assert finding.severity is Severity.FAULT


def test_a_paper_exchange_has_its_own_time():
    with pytest.raises(SkippedError):
        check("clock", facts(is_okx=False))


@pytest.mark.parametrize(
    ("written", "ends_at"),
    [("1767571200000", datetime(2026, 1, 5, tzinfo=UTC)), ("", None), (None, None), ("soon", None), ("-1", None)],
)
def test_an_end_that_cannot_be_read_is_none_and_the_contract_stays(written, ends_at):
    row = {
        "instId": "BTC-USDT-SWAP",
        "ctVal": "0.01",
        "lotSz": "0.01",
        "minSz": "0.01",
        "tickSz": "0.1",
        "lever": "100",
    }
    listing = read_listing({**row, "state": "live", "expTime": written})
    assert (listing.state, listing.ends_at) == ("live", ends_at)
