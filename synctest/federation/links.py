"""The links between the servers of a world, which can be cut, slowed down and healed.

Servers are reached through gates: a gate listens on the port in the server's name and forwards
connections to where the server listens.  It knows which server has connected (`connecting`), so
a link is cut for one pair of servers while all others still talk.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Mapping

import attrs

from synctest.federation.connecting import connecting_process

CHUNK = 65_536


class Links:
    """Which servers are cut off from each other, by name, and how slow every link is."""

    def __init__(self) -> None:
        self.delay = 0.0
        self._cut: set[frozenset[str]] = set()
        self._gates: list[Gate] = []

    def add(self, gate: Gate) -> None:
        self._gates.append(gate)

    def are_cut(self, one: str | None, other: str) -> bool:
        """Whether nothing passes between two servers; who is no server is never cut off."""
        return one is not None and frozenset((one, other)) in self._cut

    def cut(self, one: str, other: str) -> None:
        """Let nothing pass any more, and break what is open."""
        self._cut.add(frozenset((one, other)))
        for gate in self._gates:
            gate.break_cut()

    def split(self, *sides: Collection[str]) -> None:
        """Cut every link between servers on different sides."""
        for left, right in itertools.combinations(sides, 2):
            for one, other in itertools.product(left, right):
                self.cut(one, other)

    def heal(self) -> None:
        """Let everything pass again, at once."""
        self._cut.clear()
        self.delay = 0.0


@attrs.frozen(eq=False)
class _Passage:
    origin: str | None
    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]

    def break_off(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


class Gate:
    """The way to one server.

    ``pids`` tells the process IDs of the servers that run, by name.
    """

    def __init__(
        self, name: str, target_port: int, links: Links, pids: Callable[[], Mapping[str, int]]
    ) -> None:
        self.connections = 0
        self._name = name
        self._target_port = target_port
        self._links = links
        self._pids = pids
        self._passages: set[_Passage] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self, port: int) -> None:
        """Listen on a port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self._links.add(self)

    async def close(self) -> None:
        """Listen no more, and break what is open."""
        if self._server is not None:
            self._server.close()
        for passage in tuple(self._passages):
            passage.break_off()
        await asyncio.gather(*self._tasks)

    def break_cut(self) -> None:
        """Break the connections of servers that are cut off from this one."""
        for passage in tuple(self._passages):
            if self._links.are_cut(passage.origin, self._name):
                passage.break_off()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client_port = writer.get_extra_info("peername")[1]
        server_port = writer.get_extra_info("sockname")[1]
        origin = connecting_process(self._pids(), client_port, server_port)
        if self._links.are_cut(origin, self._name):
            writer.transport.abort()
            return
        try:
            onward = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()  # The server does not run.
            return
        self.connections += 1
        passage = _Passage(origin, (writer, onward[1]))
        self._passages.add(passage)
        try:
            await asyncio.gather(self._pump(reader, onward[1]), self._pump(onward[0], writer))
        except OSError:
            pass  # One side is gone, and so is the connection.
        finally:
            passage.break_off()
            self._passages.discard(passage)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            if self._links.delay:
                await asyncio.sleep(self._links.delay)
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
