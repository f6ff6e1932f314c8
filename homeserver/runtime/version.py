"""Which version of the program this is. The package is built with it."""

from __future__ import annotations

VERSION = "0.1.0"


def program_version() -> str:
    """The version of the program."""
    return VERSION
