"""The only place where things are built."""

from __future__ import annotations

from homeserver.runtime.wiring.server import Server, build

__all__ = ["Server", "build"]
