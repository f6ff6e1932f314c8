"""Creating accounts on a running server by its shared secret, as `myelin register-user` does.

The de-facto endpoint ``/_synapse/admin/v1/register``, from its other side: ask for a nonce, then
send a request that proves over it that one knows the secret.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from homeserver.services.accounts.admin_registration import AdminRegistrationRequest

_PATH = "/_synapse/admin/v1/register"
_TIMEOUT_SECONDS = 30


class RegistrationFailed(Exception):
    """The server could not be reached, or refused; ``str()`` says why."""


def register_user(url: str, secret: str, username: str, password: str, *, admin: bool) -> str:
    """Create an account on the server at ``url``; the new user's ID.

    Raises RegistrationFailed.
    """
    endpoint = url.rstrip("/") + _PATH
    nonce = str(_call(endpoint)["nonce"])
    request = AdminRegistrationRequest(nonce, username, password, mac="", is_admin=admin)
    answer = _call(
        endpoint,
        {
            "nonce": nonce,
            "username": username,
            "password": password,
            "admin": admin,
            "mac": request.expected_mac(secret.encode()),
        },
    )
    return str(answer["user_id"])


def _call(endpoint: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """GET, or POST with a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(endpoint, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        raise RegistrationFailed(_reason(error)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise RegistrationFailed(f"{endpoint} cannot be reached: {reason}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        refusal = json.load(error)
        return f"{refusal['error']} ({refusal['errcode']})"
    except (ValueError, KeyError, TypeError):
        return f"{error.url} answered {error.code} {error.reason}"
