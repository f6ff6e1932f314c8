"""A server as its operators run it: a process, a file of configuration, signals."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from synctest.connection import Homeserver, Unreachable
from synctest.process import free_port

_SOURCE: Final = Path(__file__).parents[3]
_PATIENCE: Final = 1500
"""How often a server that starts is asked whether it is there."""


class ServerProcess:
    """``myelin serve`` in a directory, on a free port. Used inside ``async with``.

    ``more`` is added to the configuration; None starts the server without any.
    """

    def __init__(self, directory: Path, more: str | None = "", *, name: str = "localhost") -> None:
        self.directory = directory
        self.port = 8008 if more is None else free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        if more is not None:
            (directory / "myelin.toml").write_text(
                f"[server]\nname = '{name}'\n[[server.listeners]]\nport = {self.port}\n"
                "[auth]\nargon2_time_cost = 1\nargon2_memory_kib = 8\n"
                "[registration]\nenabled = true\n" + more,
                encoding="utf-8",
            )
        self._process: subprocess.Popen[str] | None = None

    async def __aenter__(self) -> Self:
        self.spawn()
        async with Homeserver(self.url) as homeserver:
            for _ in range(_PATIENCE):
                if self.process.poll() is not None:
                    raise AssertionError(f"it ended: {self.process.communicate()[1]}")
                try:
                    await homeserver.request("GET", "/health", within=5)
                    return self
                except Unreachable:
                    await asyncio.sleep(0.02)
        raise AssertionError("it does not answer")

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def spawn(self) -> None:
        """Start the process without waiting for it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "homeserver.cli", "serve"],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": str(_SOURCE)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fails(self) -> tuple[int, str]:
        """The exit status and the errors of a server that cannot start."""
        self.spawn()
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors

    async def ends(self) -> tuple[int, str]:
        """Ask the server to stop; its exit status and what it logged."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.to_thread(self.process.communicate, timeout=30)
        return self.process.returncode, errors
