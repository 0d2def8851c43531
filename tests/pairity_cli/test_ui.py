"""`pairity ui` as a real process: its address answers when it appears, and it ends when it should, alone."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urldefrag

import pytest
from click.testing import CliRunner

from model_registry.tracking_ui.listening import listen
from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity_cli.main import main
from training import tracking
from training.run_records import FamilyRun

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    tracking.log_backtest(Layout(home), FamilyRun(name="one", params={}, metrics={}, tags={}))
    return home


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def find_free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def ask(home, *options):
    return CliRunner().invoke(main, ["ui", *options], env={"PAIRITY_HOME": str(home)})


def test_a_taken_port_is_named_with_the_remedy(home, taken):
    done = ask(home, "--port", str(taken))
    assert done.exit_code == 2
    assert f"port {taken} of 127.0.0.1 cannot be used: another process uses it" in done.output
    assert "--port" in done.output
    assert "http://" not in done.output


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_a_port_that_somebody_has_on_every_address_is_taken_too(address):
    with socket.create_server((address, 0)) as server, pytest.raises(ConfigError, match="another process uses it"):
        listen(server.getsockname()[1])


def test_a_port_is_taken_at_once_and_on_this_machine_only():
    port = find_free_port()
    with listen(port) as first:
        assert first.getsockname() == ("127.0.0.1", port)
        with pytest.raises(ConfigError, match=f"port {port}"):
            listen(port)
    with listen(port):  # and free again
        pass


@pytest.mark.parametrize("port", ["0", "70000", "-1", "http"])
def test_a_port_that_is_none_is_refused(home, port):
    done = ask(home, "--port", port)
    assert done.exit_code == 2
    assert port in done.output


@pytest.mark.parametrize("made", [False, True], ids=["an empty directory", "one with a lake and no runs"])
def test_an_empty_store_says_that_nothing_is_stored_yet(tmp_path, made):
    if made:
        (tmp_path / "lake").mkdir()
    done = ask(tmp_path, "--port", str(find_free_port()))
    assert done.exit_code == 4
    assert done.output.count("nothing stored yet") == 1
    assert "make train" in done.output
    assert not (tmp_path / "mlflow").exists()


def list_processes_below(group):
    """Ids of the processes of a group, from the system's own list."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs the list of processes of Linux")
def test_the_address_answers_when_it_appears_and_the_process_ends_alone(home, number):
    port = find_free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "pairity_cli", "ui", "--port", str(port)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PAIRITY_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        start_new_session=True,
    )
    try:
        line = process.stdout.readline()
        assert f"http://127.0.0.1:{port}/#/experiments/" in line
        # Once, and not until it works
        with urllib.request.urlopen(urldefrag(line.split()[5])[0], timeout=60) as answer:
            page = answer.read().decode()
        assert page.index("first-visit.js") < page.index("static-files/static/js")
        assert list_processes_below(process.pid) == [process.pid]  # one worker
        listening = Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
        bound = [fields[1] for fields in map(str.split, listening) if fields[1].endswith(f":{port:04X}")]
        assert set(bound) == {f"0100007F:{port:04X}"}
        process.send_signal(number)
        rest, trouble = process.communicate(timeout=120)
    finally:
        process.kill()
    assert (process.returncode, rest, trouble) == (0, "", "")
    assert list_processes_below(process.pid) == []
    with socket.create_server(("127.0.0.1", port)):  # free at once
        pass


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_loads_ends_it_as_well(home, number):
    with listen(find_free_port()) as listening:
        listening.set_inheritable(True)
        code = (
            "import runpy; print('there', flush=True);"
            "runpy.run_module('model_registry.tracking_ui', run_name='__main__', alter_sys=True)"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(home), str(listening.fileno()), "/"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[listening.fileno()],
        )
        try:
            assert process.stdout.readline() == "there\n"
            time.sleep(0.5)  # MLflow takes seconds
            process.send_signal(number)
            rest, trouble = process.communicate(timeout=120)
        finally:
            process.kill()
    assert (process.returncode, rest, trouble) == (0, "", "")
