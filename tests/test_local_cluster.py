"""Processes of the local cluster: noted, found again, stopped, and never a stranger."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from tools.local_cluster import __main__ as local_cluster
from tools.local_cluster import processes
from tools.local_cluster.certificates import make_certificates
from tools.local_cluster.processes import ClusterError, Service, find_running, start, stop
from tools.local_cluster.services import find_lacking

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


def service(command, is_healthy=lambda: True) -> Service:
    return Service("one", command, is_healthy, {"PATH": os.environ["PATH"]})


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_process_is_found_again_and_stopped(tmp_path):
    assert find_running("one", tmp_path) is None
    start(service(SLEEPS), tmp_path)
    pid = find_running("one", tmp_path)
    assert pid is not None
    assert stop("one", tmp_path)
    assert find_running("one", tmp_path) is None
    assert not stop("one", tmp_path)


def test_a_stranger_with_the_same_pid_is_left_alone(tmp_path):
    with subprocess.Popen(SLEEPS) as stranger:
        (tmp_path / "one.pid").write_text(f"{stranger.pid} 1 15\n")
        assert find_running("one", tmp_path) is None
        assert not stop("one", tmp_path)
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_that_ends_at_once_says_why(tmp_path):
    with pytest.raises(ClusterError, match="one ended with 3: no room"):
        start(service([sys.executable, "-c", "print('no room'); raise SystemExit(3)"], lambda: False), tmp_path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_process_that_never_answers_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "HEALTH_S", 0.3)
    with pytest.raises(ClusterError, match="one does not answer after 0 s"):
        start(service(SLEEPS, lambda: False), tmp_path)
    assert stop("one", tmp_path)


def test_what_is_missing_is_named_with_its_package(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    lacking = "; ".join(find_lacking("no_such_server"))
    assert "redis-server (Debian: apt-get install redis-server)" in lacking
    assert "no_such_server (make cluster-install)" in lacking
    assert local_cluster.main(["up", "--folder", str(tmp_path / "new"), "--s3-server", "no_such_server"]) == 1
    assert "redis-server" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_certificates_are_private_and_kept(tmp_path):
    made = make_certificates(tmp_path)
    contents = [path.read_bytes() for path in made]
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o600, 0o600]
    assert b"PRIVATE KEY" in contents[1]
    assert b"PRIVATE KEY" not in contents[0]
    assert [path.read_bytes() for path in make_certificates(tmp_path)] == contents
