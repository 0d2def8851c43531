"""Check of the status page's port: free, or held by the trading process of this data directory."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable

from pairity.errors import JournalError
from serving.doctor.case import Case
from serving.doctor.findings import Check, Finding, SkippedError, Sure, fault, warning
from serving.doctor.journal_reading import find_writer

_ANSWER_S = 3.0
_MOST = 4096
_TAKE = "set PAIRITY_SERVE__PORT to a free port (0 takes one)"


def _check_port(case: Case) -> Iterable[Finding]:
    host, port = case.known.serve.host, case.known.serve.port
    try:
        writer = find_writer(case.layout.journal_place)
    except JournalError:
        raise SkippedError("the journal does not say who writes it") from None
    if port == 0:
        return []
    if not _listens(host, port):
        if writer is None:
            return []
        fact = f"process {writer} holds the journal, and nothing listens on {host}:{port}"
        command = f"set PAIRITY_SERVE__PORT to the port that it was given, or: kill {writer} && pairity serve"
        return [warning("the trading process shows no status page", fact, command, Sure.LIKELY)]
    if writer is None:
        fact = f"something listens on {host}:{port}, and no process trades in {case.layout.root}"
        return [fault("another program has the port of the status page", fact, _TAKE)]
    if not _is_status_page(host, port):
        fact = f"what listens on {host}:{port} does not answer as a status page"
        return [warning("another program seems to have the port of the status page", fact, _TAKE, Sure.LIKELY)]
    return []


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_S):
            return True
    except OSError:
        return False


def _is_status_page(host: str, port: int) -> bool:
    """Return whether /health answers as ours does: with a state, or with a refusal for want of the token."""
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        body = answer.read(_MOST)
        if answer.status == http.client.UNAUTHORIZED:
            return b"token" in body
        return "state" in json.loads(body)
    except (OSError, ValueError, TypeError, http.client.HTTPException):
        return False
    finally:
        connection.close()


CHECKS = (Check("port", "ports", _check_port),)
