"""Creating accounts on a running server by its shared secret, as `myelin register-user` does.

The de-facto endpoint ``/_synapse/admin/v1/register``: a nonce, then a request that proves by an
HMAC-SHA1 over it that the sender knows the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.error
import urllib.request
from typing import Any

_PATH = "/_synapse/admin/v1/register"
_TIMEOUT_SECONDS = 30


class RegistrationFailed(Exception):
    """The server could not be reached, or refused; ``str()`` says why."""


def registration_mac(secret: str, nonce: str, username: str, password: str, *, admin: bool) -> str:
    """The proof, in hexadecimal, that belongs to one nonce and one account."""
    message = "\0".join((nonce, username, password, "admin" if admin else "notadmin"))
    return hmac.new(secret.encode(), message.encode(), hashlib.sha1).hexdigest()


def register_user(url: str, secret: str, username: str, password: str, *, admin: bool) -> str:
    """Create an account on the server at ``url``; the new user's ID.

    Raises RegistrationFailed.
    """
    endpoint = url.rstrip("/") + _PATH
    nonce = _call(endpoint)["nonce"]
    answer = _call(
        endpoint,
        {
            "nonce": nonce,
            "username": username,
            "password": password,
            "admin": admin,
            "mac": registration_mac(secret, nonce, username, password, admin=admin),
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
