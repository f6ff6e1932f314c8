"""What is wrong with a configuration, in one line."""

from __future__ import annotations

import json

_LONGEST_VALUE = 60


class ConfigError(Exception):
    """A key of the configuration has a value that it cannot have.

    ``str()`` is one line that names where the configuration came from, the dotted key, the value
    and what is allowed. ``key`` and ``shown`` (the value, as it may be printed) are None when the
    whole document is at fault: unreadable, or not TOML.
    """

    def __init__(self, source: str, key: str | None, shown: str | None, allowed: str) -> None:
        self.source = source
        self.key = key
        self.shown = shown
        self.allowed = allowed
        place = "" if key is None else f" {key}" if shown is None else f" {key} = {shown}"
        super().__init__(f"{source}:{place}{' ' if key is None else ': '}{allowed}")


def show_value(value: object) -> str:
    """The value as TOML would write it, on one line and not too long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
