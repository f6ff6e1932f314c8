"""How much memory a server takes while it is under attack, as Linux tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from synctest.process import ServerProcess

INTERVAL = 0.05
MEGABYTE = 1_000_000


@attrs.define
class MemoryUse:
    """Resident memory in megabytes: at the beginning, and the most that was seen since."""

    before: int
    most: int

    @property
    def growth(self) -> int:
        return self.most - self.before


@asynccontextmanager
async def watched_memory(server: ServerProcess) -> AsyncIterator[MemoryUse]:
    """Watch a server's memory for as long as the block runs."""
    use = MemoryUse(resident_megabytes(server.pid), 0)
    pid = server.pid

    async def watch() -> None:
        while server.running:
            use.most = max(use.most, resident_megabytes(pid))
            await asyncio.sleep(INTERVAL)

    watching = asyncio.create_task(watch())
    try:
        yield use
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def resident_megabytes(pid: int) -> int:
    """The resident memory of a process; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    resident = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(resident[0]) * 1024 // MEGABYTE if resident else 0
