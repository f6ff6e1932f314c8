"""Memory that is not needed any more."""

from __future__ import annotations

import ctypes


def return_memory() -> None:
    """Give freed memory back to the system; the C library keeps it otherwise."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
