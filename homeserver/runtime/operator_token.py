"""The token with which whoever runs the server may use the operations for administrators.

The server makes it for itself and keeps it in its data directory, so that whoever may read that
directory can use `myelin admin` right away, without an account.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress

from homeserver.runtime.config import Config, ConfigError
from homeserver.runtime.private_files import create_private_file


def read_operator_token(config: Config) -> str:
    """The token of a server that has been started before. Raises ConfigError."""
    path = config.operator_token_path
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}; it is made when the server first starts"
        raise ConfigError(str(path), None, None, reason) from error
    if not token:
        raise ConfigError(str(path), None, None, "is empty; delete it and start the server again")
    return token


def ensure_operator_token(config: Config) -> str:
    """The token, which is made when there is none. Raises ConfigError."""
    path = config.operator_token_path
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # made by another process of ours at the same moment
            create_private_file(path, secrets.token_urlsafe(32) + "\n")
    return read_operator_token(config)


def is_operator_token(token: str) -> Callable[[str], bool]:
    """Tells whether what somebody sends is this token, in a time that does not tell how much of it
    was right."""
    expected = token.encode()
    return lambda sent: hmac.compare_digest(sent.encode(errors="surrogatepass"), expected)
