"""Secrets come from the configuration, from a file of their own or from the environment.

Each secret key ``section.key`` has a sibling ``section.key_file`` that names a file to read it
from, and an environment variable ``MYELIN_SECTION_KEY`` that wins over the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homeserver.runtime.config.error import ConfigError, show_value

SECRET_KEYS = (
    "database.url",
    "registration.shared_secret",
    "voip.turn_shared_secret",
    "voip.turn_password",
)


def environment_variable(key: str) -> str:
    """The variable that overrides a secret key."""
    return "MYELIN_" + key.replace(".", "_").upper()


def fill_in_secrets(
    settings: dict[str, Any], directory: Path, environ: Mapping[str, str], source: str
) -> None:
    """Replace the ``_file`` keys of ``settings`` by what their files hold.

    Relative file names start at ``directory``. Raises ConfigError for a file that cannot be read,
    and for a secret that is given twice.
    """
    for key in SECRET_KEYS:
        section, name = key.split(".")
        table = settings.setdefault(section, {})
        if not isinstance(table, dict):
            continue  # the types are checked, and this reported, later
        file_key = f"{name}_file"
        file = table.pop(file_key, None)
        if file is not None:
            if name in table:
                allowed = f"only one of {key} and {key}_file may be given"
                raise ConfigError(source, f"{section}.{file_key}", show_value(file), allowed)
            table[name] = _read(f"{section}.{file_key}", file, directory, source)
        if environment_variable(key) in environ:
            table[name] = environ[environment_variable(key)]


def _read(key: str, file: object, directory: Path, source: str) -> str:
    if not isinstance(file, str):
        raise ConfigError(source, key, show_value(file), "must be a path")
    try:
        secret = (directory / file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(
            source, key, show_value(file), f"must be a readable file: {reason}"
        ) from error
    if not secret:
        raise ConfigError(source, key, show_value(file), "must be a file that is not empty")
    return secret
