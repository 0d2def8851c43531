"""Asking the trading process of this machine for its health, as a service or a container does."""

from __future__ import annotations

import http.client
from contextlib import closing

from pairity.bounded_json import JsonLimits, parse_json
from pairity.errors import ConfigError
from pairity.trading_settings import ServeSettings
from serving.health import Verdict

_ANSWER = JsonLimits(size=65_536, depth=4, values=64)
_WAIT_S = 5.0


def ask_health(serve: ServeSettings, question: str) -> Verdict:
    """Return what the process says of itself; no, where nothing answers. ConfigError where its port is not fixed."""
    if serve.port == 0:
        raise ConfigError("the port of the trading process is not fixed", "set serve.port to a number of its own")
    token = serve.status_token
    headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
    with closing(http.client.HTTPConnection(serve.host, serve.port, timeout=_WAIT_S)) as connection:
        try:
            connection.request("GET", f"/health/{question}", headers=headers)
            answer = connection.getresponse()
            body = answer.read(_ANSWER.size + 1)
        except (OSError, http.client.HTTPException) as error:
            return Verdict(ok=False, why=f"nothing answers on {serve.host}:{serve.port} ({type(error).__name__})")
    try:
        row = parse_json(body.decode(), _ANSWER)
        return Verdict(ok=answer.status == http.client.OK and row["ok"] is True, why=str(row["why"]))
    except (KeyError, TypeError, ValueError):
        return Verdict(ok=False, why=f"{serve.host}:{serve.port} answers {answer.status}, and not as pairity does")
