from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest_asyncio

from synctest.federation.links import Gate, Links
from synctest.process import free_port


@pytest_asyncio.fixture
async def echo_port() -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1024):
            writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    yield port
    server.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What comes back; nothing when the connection is broken."""
    writer.write(b"hello")
    try:
        return await reader.read(1024)
    except ConnectionError:
        return b""


@pytest_asyncio.fixture
async def links() -> Links:
    return Links()


@pytest_asyncio.fixture
async def gate_port(echo_port: int, links: Links) -> AsyncIterator[int]:
    # This process is the server named "here".
    gate = Gate("there", echo_port, links, lambda: {"here": os.getpid()})
    port = free_port()
    await gate.open(port)
    yield port
    await gate.close()


async def test_a_gate_forwards_both_ways(gate_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate_port)
    assert await _answer(reader, writer) == b"hello"
    writer.close()


async def test_a_cut_breaks_what_is_open(gate_port: int, links: Links) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate_port)
    await _answer(reader, writer)
    links.cut("here", "there")
    assert await _answer(reader, writer) == b""


async def test_nothing_passes_a_cut_link_until_it_is_healed(gate_port: int, links: Links) -> None:
    links.cut("there", "here")
    reader, writer = await asyncio.open_connection("127.0.0.1", gate_port)
    assert await _answer(reader, writer) == b""
    links.heal()
    reader, writer = await asyncio.open_connection("127.0.0.1", gate_port)
    assert await _answer(reader, writer) == b"hello"
    writer.close()


async def test_a_cut_between_others_leaves_this_link_alone(gate_port: int, links: Links) -> None:
    links.split(["elsewhere"], ["there", "anywhere"])
    reader, writer = await asyncio.open_connection("127.0.0.1", gate_port)
    assert await _answer(reader, writer) == b"hello"
    writer.close()


async def test_a_server_that_does_not_run_refuses(links: Links) -> None:
    gate, port = Gate("there", free_port(), links, dict), free_port()
    await gate.open(port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await _answer(reader, writer) == b""
    await gate.close()
