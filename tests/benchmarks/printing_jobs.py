"""Jobs whose process prints what looks like an answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def answer_between_prints(number: float) -> float:
    print("1.0")
    os.write(1, "\r 42% ▕████████▏ (~3 seconds remaining)".encode())
    subprocess.run([sys.executable, "-c", "print(7.0)"], check=True)
    os.write(1, b"\r100%")
    return number


def make_printing_job(answer: str) -> object:
    def job() -> str:
        os.write(1, b'{"seconds": 0.0}\n 99%')
        return answer

    return job


def fail(message: str) -> None:
    raise ValueError(message)


def make_moody_job():
    """Make a job whose answer is another one in every process."""
    return lambda: f"answer of process {os.getpid()}"


def start_child_and_wait(file: str) -> None:
    """Start a process that lasts, write down its number, and last as well."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        Path(file).write_text(str(child.pid))
        child.wait()
