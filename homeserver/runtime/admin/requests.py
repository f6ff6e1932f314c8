"""Requests of `myelin admin` to the running server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import quote

ROOT: Final = "/_myelin/admin/v1"
_TIMEOUT_SECONDS: Final = 300
"""Checking a large room takes its time."""


class AdminRequestFailed(Exception):
    """The server could not be reached, or refused; ``str()`` says why."""


class AdminRequests:
    """Calls the operations for operators of the server at ``url``, with a token."""

    def __init__(self, url: str, token: str) -> None:
        self._root = url.rstrip("/") + ROOT
        self._token = token

    def call(self, method: str, *path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a request. ``path`` are its segments. Raises
        AdminRequestFailed."""
        return self._send(method, self._address(path), body)

    def get(self, *path: str, query: dict[str, str] | None = None) -> dict[str, Any]:
        """The answer to GET. Raises AdminRequestFailed."""
        address = self._address(path)
        if query:
            address += "?" + "&".join(f"{name}={quote(v, safe='')}" for name, v in query.items())
        return self._send("GET", address, None)

    def _address(self, path: tuple[str, ...]) -> str:
        return "/".join([self._root, *(quote(segment, safe="") for segment in path)])

    def _send(self, method: str, address: str, body: dict[str, Any] | None) -> dict[str, Any]:
        request = urllib.request.Request(
            address,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise AdminRequestFailed(_reason(error)) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise AdminRequestFailed(f"{self._root} cannot be reached: {reason}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        refusal = json.load(error)
        return f"{refusal['error']} ({refusal['errcode']})"
    except (ValueError, KeyError, TypeError):
        return f"{error.url} answered {error.code} {error.reason}"
