"""The homeservers that can take part in a world, and how each is started."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

LAUNCHERS = Path(__file__).parent.parent / "launchers"
KINDS = ("myelin", "synapse")


class PeerUnavailable(Exception):
    """A homeserver is not installed here."""


def launcher_of(kind: str) -> Path:
    """The launcher of a kind of homeserver."""
    return LAUNCHERS / kind


def environment_of(kind: str) -> dict[str, str]:
    """What its launcher needs to know; raises `PeerUnavailable` when it is not installed.

    Synapse runs in ``$SYNAPSE_PYTHON``, or in the harness's own Python (the extra ``peers``).
    """
    if kind != "synapse":
        return {}
    python = os.environ.get("SYNAPSE_PYTHON")
    if python is None and importlib.util.find_spec("synapse") is not None:
        python = sys.executable
    if python is None:
        raise PeerUnavailable(
            "Synapse is not installed: set SYNAPSE_PYTHON to a Python that has it, "
            "or install the extra `peers`"
        )
    return {"SYNAPSE_PYTHON": python}
