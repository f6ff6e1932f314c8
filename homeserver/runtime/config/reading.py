"""From a TOML file to a :class:`Config`, or to one line that says what is wrong."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from homeserver.runtime.config.checks import check_config
from homeserver.runtime.config.config import Config
from homeserver.runtime.config.error import ConfigError, show_value
from homeserver.runtime.config.schema import Step, allowed_values, key_names, type_at
from homeserver.runtime.config.secrets import SECRET_KEYS, fill_in_secrets

DEFAULT_PATH = Path("myelin.toml")
"""Read when no other file is named, if it is there."""

_WHERE = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_UNKNOWN_KEY = re.compile(r"^Object contains unknown field `(.*?)`")
_MISSING_KEY = re.compile(r"^Object missing required field `(.*?)`")


def load_config(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in the file at ``path``.

    Without ``path``: that of ``myelin.toml`` in the working directory, or the defaults when there
    is no such file. Raises ConfigError.
    """
    if path is None and not DEFAULT_PATH.exists():
        return parse_config("", Path.cwd(), environ, source="defaults")
    path = path or DEFAULT_PATH
    try:
        document = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), None, None, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), None, None, "is not UTF-8") from error
    return parse_config(document, path.absolute().parent, environ, source=str(path))


def parse_config(
    document: str,
    directory: Path,
    environ: Mapping[str, str],
    *,
    source: str = DEFAULT_PATH.name,
) -> Config:
    """The configuration in a TOML document; relative paths in it start at ``directory``.

    Raises ConfigError, in which ``source`` names the document.
    """
    try:
        settings = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, None, None, f"is not valid TOML: {error}") from error
    fill_in_secrets(settings, directory, environ, source)
    _anchor(settings, directory)
    try:
        config = msgspec.convert(settings, Config, dec_hook=_Paths(directory))
    except msgspec.ValidationError as error:
        raise _explain(error, settings, source) from error
    check_config(config, source)
    return config


class _Paths:
    """Makes paths of strings, starting at a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, kind: type, value: object) -> Path:
        if kind is not Path or not isinstance(value, str) or not value:
            raise ValueError("not a path")
        return self._directory / value


def _anchor(settings: dict[str, Any], directory: Path) -> None:
    """Let what has no type of its own for it start at the file's directory as well."""
    server = settings.setdefault("server", {})
    if isinstance(server, dict):
        server.setdefault("data_dir", "data")
    database = settings.get("database")
    url = database.get("url") if isinstance(database, dict) else None
    if isinstance(url, str) and url.startswith("sqlite:///") and url != "sqlite:///":
        file = directory / url.removeprefix("sqlite:///")
        settings["database"]["url"] = f"sqlite:///{file}"


def _explain(error: msgspec.ValidationError, settings: Any, source: str) -> ConfigError:
    """The error in terms of the file: msgspec says only what it expected, and where."""
    message = str(error)
    where = _WHERE.search(message)
    path: list[Step] = []
    if where is not None:
        for name, index in _STEP.findall(where["path"]):
            path.append(name or int(index))
    unknown = _UNKNOWN_KEY.match(message)
    if unknown is not None:
        return _unknown_key(path, unknown[1], settings, source)
    missing = _MISSING_KEY.match(message)
    if missing is not None:
        return ConfigError(source, _dotted([*path, missing[1]]), None, "is missing")
    key = _dotted(path)
    kind = type_at(path)
    allowed = f"must be {allowed_values(kind)}" if kind is not None else message
    shown = "(hidden)" if key in SECRET_KEYS else show_value(_value_at(path, settings))
    return ConfigError(source, key, shown, allowed)


def _unknown_key(path: list[Step], name: str, settings: Any, source: str) -> ConfigError:
    known = key_names(path)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        hint = f"did you mean {_dotted([*path, close[0]])}?"
    else:
        hint = f"there are {', '.join(known)}"
    value = _value_at([*path, name], settings)
    shown = None if isinstance(value, dict) else show_value(value)
    return ConfigError(source, _dotted([*path, name]), shown, f"there is no such key; {hint}")


def _dotted(path: list[Step]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _value_at(path: list[Step], settings: Any) -> object:
    for step in path:
        settings = settings[step]
    found: object = settings
    return found
