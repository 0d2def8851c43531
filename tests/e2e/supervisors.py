"""What keeps a process running, as small as can be: a service manager like systemd, a runtime like a container's.

And a gate between a process and its venue, which can be shut: then the venue is away.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.e2e.running import ROOT, Place

COMMAND = [sys.executable, "-m", "pairity_cli", "serve"]
NOBODY = 10001
# A checkout and an interpreter may lie below folders of root's alone: they may be read, and nothing else is allowed.
_DROP = (
    f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --no-new-privs --inh-caps=-all,+dac_read_search "
    "--ambient-caps=-all,+dac_read_search --bounding-set=-all,+dac_read_search"
)


class Gate:
    """Gate to a server of this machine: bytes pass while it is open, under the server's own name."""

    def __init__(self, port: int) -> None:
        self._to, self.open = port, True
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._passing: set[socket.socket] = set()
        threading.Thread(target=self._run, daemon=True).start()

    def shut(self) -> None:
        self.open = False
        for end in list(self._passing):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.shut()
        self._listening.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                if not self.open:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._to))
                ours, its = self.url.removeprefix("http://").encode(), f"127.0.0.1:{self._to}".encode()
                for pair in ((near, far, ours, its), (far, near, its, ours)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, name: bytes, other: bytes) -> None:
        self._passing.add(source)
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                target.sendall(content.replace(name, other))
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        self._passing.discard(source)
        source.close()


class ServiceManager:
    """Type=notify, WatchdogSec, TimeoutStopSec, Restart=on-failure, NotifyAccess=main; `ends` has every exit code."""

    def __init__(self, place: Place, folder: Path, *, watchdog_s: float, stop_s: float) -> None:
        self._place, self._watchdog_s, self._stop_s = place, watchdog_s, stop_s
        self._address = folder / "notify"
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(str(self._address))
        self._log = (folder / "said").open("ab")
        self._stopping = False
        self._heard_s: float | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.words: list[str] = []
        self.ends: list[int] = []

    def start(self) -> None:
        self._stopping, self.words = False, []
        self._begin()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._keep, daemon=True).start()

    def stop(self) -> float:
        """SIGTERM, after its time SIGKILL; return the seconds that it took."""
        assert self.process is not None
        self._stopping, begun = True, time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - begun

    def has_heard(self, word: str) -> bool:
        return word in self.words

    def close(self) -> None:
        self._stopping = True
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def _begin(self) -> None:
        own = {"NOTIFY_SOCKET": str(self._address), "WATCHDOG_USEC": str(int(self._watchdog_s * 1e6))}
        self._heard_s = None
        self.process = subprocess.Popen(
            COMMAND,
            cwd=self._place.home.parent,
            env=self._place.environment() | own,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopping or self.process is None or self.process.poll() is None:
                said = self._line.recv(4096).decode().split("\n")
                self.words += said
                if {"READY=1", "WATCHDOG=1"} & set(said):
                    self._heard_s = time.monotonic()

    def _keep(self) -> None:
        """Restart what failed; end with SIGABRT what was silent for longer than its watchdog."""
        while True:
            process = self.process
            assert process is not None
            code = process.poll()
            if code is not None:
                self.ends.append(code)
                # As systemd sees it: SIGTERM is a clean end.
                if self._stopping or code in (0, -signal.SIGTERM):
                    return
                time.sleep(0.2)
                self._begin()
            elif self._heard_s is not None and time.monotonic() - self._heard_s > self._watchdog_s:
                process.send_signal(signal.SIGABRT)
                process.send_signal(signal.SIGKILL)
                process.wait()
            time.sleep(0.05)


class Container:
    """The process as number 1 of its own: no root, no HOME, nothing writable but its data and a scratch folder."""

    def __init__(self, place: Place, folder: Path) -> None:
        scratch = folder / "scratch"
        scratch.mkdir()
        for path in (place.home, *place.home.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        kept = {name: value for name, value in place.environment().items() if name.startswith(("PAIRITY_", "PYTHON"))}
        kept |= {"TMPDIR": str(scratch), "PATH": os.environ["PATH"], "NUMBA_CACHE_DIR": str(scratch)}
        kept |= {"PYTHONDONTWRITEBYTECODE": "1", "XDG_CONFIG_HOME": str(place.home / "config")}
        words = shlex.join(["env", "-i", *(f"{name}={value}" for name, value in kept.items()), *COMMAND])
        data = shlex.quote(str(place.home))
        script = (
            f"mount --bind {data} {data} && mount -t tmpfs -o mode=1777 tmpfs {shlex.quote(str(scratch))} "
            f"&& mount -o remount,bind,ro / && cd {data} "
            f"&& exec {_DROP} {words}"
        )
        self._log = (folder / "said").open("ab")
        self._outer = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script],
            cwd=ROOT,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def stop(self, most_s: float) -> tuple[int, float]:
        """SIGTERM, after its time SIGKILL; return its exit code and the seconds that it took."""
        begun = time.monotonic()
        os.kill(self._first(), signal.SIGTERM)
        try:
            self._outer.wait(most_s)
        except subprocess.TimeoutExpired:
            self.close()
        return self._outer.returncode, time.monotonic() - begun

    def close(self) -> None:
        if self._outer.poll() is None:
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(self._first(), signal.SIGKILL)
            self._outer.kill()
            self._outer.wait()
        self._log.close()

    def _first(self) -> int:
        return int(Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()[0])


def can_contain() -> bool:
    """Return whether this machine lets a test make namespaces, and change its user."""
    probe = f"mount -o remount,bind,ro / && {_DROP} true"
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", probe], capture_output=True, check=False
    )
    return done.returncode == 0
