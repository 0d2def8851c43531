"""A worker that is killed in the middle of a job."""

from __future__ import annotations

import os
import signal
import threading
import time

from feature_repo.cluster_workers import connect_workers


class WorkerKiller(threading.Thread):
    """Kills a worker with SIGKILL while it computes something whose name begins with `task`."""

    def __init__(self, scheduler: str, task: str = "") -> None:
        super().__init__(daemon=True)
        self._client = connect_workers(scheduler)._client
        self._task = task
        self.pids = self._client.run(os.getpid)
        self.killed: str | None = None

    def run(self) -> None:
        until = time.monotonic() + 400
        while self.killed is None and time.monotonic() < until:
            for worker, tasks in self._client.processing().items():
                found = [str(task) for task in tasks if str(task).startswith(self._task)]
                if found and worker in self.pids:
                    os.kill(self.pids[worker], signal.SIGKILL)
                    self.killed = found[0]
                    return
            time.sleep(0.02)
