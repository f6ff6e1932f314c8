"""Which version of the program this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def program_version() -> str:
    """The version that is installed; ``development`` when the program runs from its source."""
    try:
        return version("myelin")
    except PackageNotFoundError:
        return "development"
