"""Signed requests byte by byte, for what no client library would send."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import requests

HEADERS = {"x-simulated-trading": "1", "Content-Type": "application/json"}


def send(url, method, path, parameters=None, *, body=None, headers=None):
    """The exchange's answer (requests.Response); `body` are exact bytes, in place of `parameters` as JSON."""
    target = f"/api/v5/{path}"
    if method == "GET" and parameters:
        target += "?" + urlencode(parameters)
    if body is None:
        body = json.dumps(parameters).encode() if method == "POST" and parameters is not None else b""
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    sign = hmac.new(b"paper", f"{stamp}{method}{target}".encode() + body, hashlib.sha256).digest()
    signed = {
        "OK-ACCESS-KEY": "paper",
        "OK-ACCESS-PASSPHRASE": "paper",
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-SIGN": base64.b64encode(sign).decode(),
    }
    wanted = {name: text for name, text in {**HEADERS, **signed, **(headers or {})}.items() if text is not None}
    return requests.request(method, url + target, data=body, headers=wanted, timeout=20)


def ask(url, method, path, parameters=None, **options):
    """The answer's JSON."""
    return send(url, method, path, parameters, **options).json()


def code_of(answer):
    """The code of a refusal: that of the first element where the answer has elements, else the top-level code."""
    if answer["code"] in ("1", "2"):
        return answer["data"][0]["sCode"]
    return answer["code"]
