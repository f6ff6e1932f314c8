"""A homeserver process that the harness starts, stops and kills."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from synctest.connection import Homeserver, Unreachable

OUTPUT_TAIL = 4000
"""Bytes of a server's output that are quoted when it fails."""


class ServerFailed(Exception):
    """The server ended by itself, or never became ready."""


def free_port() -> int:
    """A TCP port on the loopback interface that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class ServerProcess:
    """One homeserver on a data directory and a port of its own.

    ``launcher`` is an executable called as ``launcher DATA_DIR PORT DATABASE``, where
    DATABASE is ``sqlite`` or ``postgres:DSN``.  It stays in the foreground (or executes the
    server), listens for plain HTTP on 127.0.0.1:PORT, keeps everything under DATA_DIR and
    ends on SIGTERM.  ``$SYNCTEST_PYTHON`` is the harness's own Python.

    ``environment`` is what the launcher is told beyond that (launchers in README.md).
    The port, the data and the database stay the same over restarts.
    """

    def __init__(
        self,
        launcher: Path,
        data_dir: Path,
        database: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._command = [str(launcher.resolve()), str(data_dir), str(port), database]
        self._output = data_dir / "server-output.log"
        self.data_dir = data_dir
        self._environment = {"SYNCTEST_PYTHON": sys.executable, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process ID; raises `ServerFailed` when the process does not run."""
        if self._process is None or self._process.poll() is not None:
            raise ServerFailed(f"the server does not run:\n{self.output_tail()}")
        return self._process.pid

    def spawn(self) -> None:
        """Start the process without waiting for it."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.data_dir,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )

    async def wait_ready(self, limit: float = 120.0) -> None:
        """Wait until GET /versions answers; raises `ServerFailed` after ``limit`` seconds."""
        deadline = time.monotonic() + limit
        async with Homeserver(self.url) as homeserver:
            while time.monotonic() < deadline:
                if self._process is None or self._process.poll() is not None:
                    raise ServerFailed(f"the server ended while starting:\n{self.output_tail()}")
                try:
                    path = "/_matrix/client/versions"
                    if (await homeserver.request("GET", path, within=5.0)).status == 200:
                        return
                except Unreachable:
                    pass  # It does not listen yet.
                await asyncio.sleep(0.02)
        raise ServerFailed(f"not ready after {limit:.0f} s:\n{self.output_tail()}")

    async def start(self) -> None:
        """Start the process and wait until it answers."""
        self.spawn()
        await self.wait_ready()

    def kill9(self) -> None:
        """Kill the process and its children at whatever instruction they are."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    async def terminate(self, limit: float = 30.0) -> None:
        """Ask the process to end, and kill it after ``limit`` seconds.

        Raises `ServerFailed` when it had to be killed.
        """
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + limit
        while self.running:
            if time.monotonic() > deadline:
                self.kill9()
                raise ServerFailed(f"did not end in {limit:.0f} s:\n{self.output_tail()}")
            await asyncio.sleep(0.02)

    async def restart(self) -> None:
        """End the process and start it again on the same data."""
        await self.terminate()
        await self.start()

    def output_tail(self) -> str:
        """The end of what the server wrote to its standard output and error."""
        if not self._output.exists():
            return ""
        return self._output.read_bytes()[-OUTPUT_TAIL:].decode(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)
