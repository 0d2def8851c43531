"""The OKX client of ccxt, made discreet: it keeps, logs, pickles and repeats nothing that contains a key.

ccxt's own client keeps the headers of its last request, with key, passphrase and signature, and writes them to its log
at level DEBUG. And a venue, or whoever answers in its place, has seen those headers and can put them into an answer,
which would become part of a message, of a row of the journal, of the status page.
"""

from __future__ import annotations

import logging
import ssl
from functools import cache
from typing import Any, NoReturn

from pairity.redaction import learn_secrets, redact


@cache
def load_quiet_okx() -> Any:  # noqa: ANN401 - ccxt is untyped
    """Import ccxt and return the class of discreet clients; its instances take the arguments of ccxt's own class."""
    from ccxt.async_support import okx

    return _make_quiet(okx)


@cache
def load_quiet_stream_okx() -> Any:  # noqa: ANN401 - ccxt is untyped
    """Import ccxt.pro and return its class of clients, made discreet in the same way."""
    from ccxt.pro import okx

    return _make_quiet(okx)


def _make_quiet(okx: Any) -> Any:  # noqa: ANN401 - ccxt is untyped
    import ccxt

    class QuietOkx(okx):
        """A client that has learnt its keys to forget them."""

        def __init__(self, config: dict[str, Any]) -> None:
            learn_secrets(str(config[name]) for name in ("apiKey", "secret", "password") if config.get(name))
            # A logger of its own, which no configuration of logging reaches: warnings only
            super().__init__({**config, "logger": logging.Logger("ccxt", logging.WARNING), "verbose": False})
            if "session" in config:
                # ccxt would read all authorities for connections that it never makes. This one trusts none: were it
                # used after all, every connection would fail.
                self.ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

        @property
        def last_request_headers(self) -> None:
            """Nothing: they are not kept."""

        @last_request_headers.setter
        def last_request_headers(self, headers: object) -> None:
            pass

        async def fetch(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - those of ccxt
            """Make a request as ccxt does; no key that came back is in its error."""
            try:
                return await super().fetch(*args, **kwargs)
            except ccxt.BaseError as error:
                error.args = tuple(redact(item) if isinstance(item, str) else item for item in error.args)
                raise

        def on_rest_response(self, *args: Any) -> str:  # noqa: ANN401 - those of ccxt
            """Return the body of an answer without a key that came back."""
            body: str = super().on_rest_response(*args)
            return redact(body) if self.apiKey else body  # one without a key has sent none

        def log(self, *args: object) -> None:
            """Print nothing: what `verbose` prints are headers."""

        def __reduce_ex__(self, protocol: object) -> NoReturn:
            raise TypeError("a client holds keys and is not pickled: make another one from the settings")

    return QuietOkx
