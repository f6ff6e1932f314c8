"""The secret that tools prove they know in order to create accounts.

It is the configured one, or else one that the server makes for itself and keeps in its data
directory, so that whoever may read that directory can use `myelin register-user` right away.
"""

from __future__ import annotations

import secrets
from contextlib import suppress

from homeserver.runtime.config import Config, ConfigError
from homeserver.runtime.private_files import create_private_file


def read_registration_secret(config: Config) -> str:
    """The secret of a server that has been started before. Raises ConfigError."""
    if config.registration.shared_secret is not None:
        return config.registration.shared_secret
    path = config.registration_secret_path
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}; it is made when the server first starts"
        raise ConfigError(str(path), None, None, reason) from error
    if not secret:
        raise ConfigError(str(path), None, None, "is empty; delete it and start the server again")
    return secret


def ensure_registration_secret(config: Config) -> str:
    """The secret, which is made when there is none. Raises ConfigError."""
    path = config.registration_secret_path
    if config.registration.shared_secret is None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # made by another process of ours at the same moment
            create_private_file(path, secrets.token_urlsafe(32) + "\n")
    return read_registration_secret(config)
