"""The client keeps, logs, pickles and repeats none of its keys, whatever the venue answers."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import pickle
import ssl

import pytest
from aiohttp import web

from pairity.errors import VenueError
from pairity.settings import ExchangeSettings, Settings
from venue.okx_client import aclose, call, make_client

KEYS = {"api_key": "37c541a1-Key0-4c6f", "api_secret": "F0E1SecretD2C3B4A596", "api_passphrase": "Pass/77 phrase+9"}


def told(text: str) -> bool:
    return any(value in text for value in KEYS.values())


async def mirror(request: web.Request) -> web.Response:
    """A venue that answers with what it was sent, in the way that its path asks for."""
    sent = {name: value for name, value in request.headers.items() if name.startswith("OK-ACCESS")}
    said = json.dumps(sent)
    answers = {
        "balance": web.json_response({"code": "50113", "msg": said, "data": []}),
        "positions": web.json_response({"code": "0", "msg": said, "data": [{"echo": said, **sent}]}),
        "config": web.Response(status=502, text=f"<html>{said}</html>", content_type="text/html"),
        "orders-pending": web.Response(text=said),
        "fills": web.json_response({"code": "1", "data": [{"sCode": "51000", "sMsg": said}], "msg": ""}),
        "order": web.json_response({"code": "51603", "msg": said, "data": []}, status=400),
    }
    return answers[request.path.rpartition("/")[2]]


METHODS = [
    "privateGetAccountBalance",
    "privateGetAccountPositions",
    "privateGetAccountConfig",
    "privateGetTradeOrdersPending",
    "privateGetTradeFills",
    "privateGetTradeOrder",
    "privatePostTradeOrder",
]


def against_the_mirror(job):
    async def run():
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", mirror)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        settings = Settings(exchange=ExchangeSettings(url=url, rate_limit=False, **KEYS))
        client = make_client(settings, signed=True)
        try:
            return await job(client)
        finally:
            await aclose(client)
            await runner.cleanup()

    return asyncio.run(run())


@pytest.mark.parametrize("method", METHODS)
def test_what_a_venue_mirrors_is_not_repeated(method, caplog, capfd):
    for logger in [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]:
        caplog.set_level(logging.DEBUG, logger=logger.name if logger is not logging.root else None)

    async def job(client):
        client.verbose = True  # as somebody who looks for a fault would
        try:
            answer = await call(client, method, {}, retries=0)
        except VenueError as error:
            answer, chain = None, error
            while chain is not None:
                assert not told(f"{chain} {chain!r} {vars(chain)} {chain.args}")
                chain = chain.__cause__ or chain.__context__
        assert not told(str(answer))
        assert not told(f"{client.last_request_headers} {client.last_http_response} {client.last_json_response}")
        assert not told(f"{client.last_response_headers}")

    against_the_mirror(job)
    assert not told(caplog.text + "".join(capfd.readouterr()))


def test_a_client_shows_and_pickles_no_key():
    async def job(client):
        assert not told(f"{client} {client!r} {client.session!r} {client.urls}")
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(client)
        await call(client, "privateGetAccountPositions", {}, retries=0)
        assert client.last_request_headers is None
        assert client.lastRequestHeaders is None
        # For connections that ccxt never makes: it trusts nobody, and costs nothing to fill.
        assert client.ssl_context.verify_mode is ssl.CERT_REQUIRED
        assert client.ssl_context.cert_store_stats()["x509_ca"] == 0

    against_the_mirror(job)
    gc.collect()
