from __future__ import annotations

import asyncio
import contextlib

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pairity.connection_limits import ConnectionLimits, limit_connections

LIMITS = ConnectionLimits(connections=4, request_s=0.15, idle_s=0.3, request_bytes=1_000)


class Line(asyncio.Protocol):
    """Answers each line with `ok`, once a line is complete."""

    def __init__(self):
        self.rest = b""
        self.lost = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for _ in lines:
            self.transport.write(b"ok\n")

    def connection_lost(self, error):
        self.lost.set()


@contextlib.asynccontextmanager
async def server(limits=LIMITS):
    made = []

    def make():
        made.append(Line())
        return made[-1]

    loop = asyncio.get_running_loop()
    listening = await loop.create_server(limit_connections(make, limits), "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], made
    finally:
        listening.close()


async def ended_after(reader, longest=3.0):
    """Seconds until the server ends the connection."""
    start = asyncio.get_running_loop().time()
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), longest)
    return asyncio.get_running_loop().time() - start


async def close(*writers):
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def test_a_connection_that_says_nothing_ends():
    async def scenario():
        async with server() as (port, made):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await ended_after(reader) < 2.0
            await asyncio.wait_for(made[0].lost.wait(), 2)
            await close(writer)

    asyncio.run(scenario())


def test_a_request_that_drips_ends_however_often_a_byte_comes():
    async def scenario():
        async with server() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            waiting = asyncio.create_task(ended_after(reader))
            with contextlib.suppress(ConnectionError):
                for _ in range(200):
                    if waiting.done():
                        break
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            assert waiting.done()
            await waiting
            await close(writer)

    asyncio.run(scenario())


def test_whoever_asks_and_listens_may_stay_longer_than_any_single_limit():
    async def scenario():
        async with server() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(8):
                writer.write(b"status\n")
                assert await reader.readline() == b"ok\n"
                await asyncio.sleep(0.1)
            assert await ended_after(reader) < 2.0  # the silence after the last answer has its limit too
            await close(writer)

    asyncio.run(scenario())


def test_what_is_too_large_is_refused_before_it_is_whole():
    async def scenario():
        async with server() as (port, made):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x" * 1_001)
            assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
            assert len(made[0].rest) <= 1_000
            await close(writer)

    asyncio.run(scenario())


def test_a_further_connection_takes_the_place_of_the_longest_silent_one():
    async def scenario():
        patient = ConnectionLimits(connections=4, request_s=30, idle_s=30, request_bytes=1_000)
        async with server(patient) as (port, made):
            pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
            pairs[0][1].write(b"here\n")
            assert await pairs[0][0].readline() == b"ok\n"
            for _ in range(40):
                pairs.append(await asyncio.open_connection("127.0.0.1", port))
                pairs[0][1].write(b"here\n")
                assert await pairs[0][0].readline() == b"ok\n"  # who goes on asking is answered all the while
            assert sum(not line.lost.is_set() for line in made) <= 5
            pairs[-1][1].write(b"new\n")
            assert await pairs[-1][0].readline() == b"ok\n"
            await close(*(writer for _, writer in pairs))

    asyncio.run(scenario())


@hypothesis_settings(max_examples=25)
@given(st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=6))
def test_the_protocol_inside_sees_the_same_bytes_up_to_the_limit(pieces):
    """Oracle: the bytes themselves. What is answered starts anew; nothing is changed, dropped or seen twice."""

    async def scenario():
        async with server() as (port, made):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for piece in pieces:
                writer.write(piece)
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 5)
            sent = b"".join(pieces)
            rest = sent.rpartition(b"\n")[2]
            if b"HTTP/1.1 413" not in answer:
                assert answer == b"ok\n" * sent.count(b"\n")
                assert made[0].rest == rest
            else:
                assert len(sent) > 1_000
            await close(writer)

    asyncio.run(scenario())
