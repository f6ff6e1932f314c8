"""How deep a JSON document nests, without building it."""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import Final

# An opening bracket is a step down, a closing one a step up: 255 is -1 as a signed byte.
_STEPS: Final = bytes.maketrans(b"[{]}", bytes((1, 1, 255, 255)))
_NO_STRUCTURE: Final = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_DOWN_AND_UP: Final = bytes((1, 255))


def is_deeper(document: bytes, depth: int) -> bool:
    """Whether a valid JSON document has more than ``depth`` arrays and objects within each other.

    Nearly every document is told by its size or by how many brackets it has.
    """
    if len(document) <= 2 * depth:
        return False
    structure = _structure(document)
    if structure.count(b"{") + structure.count(b"[") <= depth:
        return False
    steps = _outside_of_strings(structure).translate(_STEPS)
    for level in range(2):  # Long lists of small objects are shallow.
        steps = steps.replace(_DOWN_AND_UP, b"")
        if not steps:
            return level >= depth
    return max(accumulate(array("b", steps))) + 2 > depth


def _structure(document: bytes) -> bytes:
    """The brackets of a document, and the quotation marks around strings."""
    if b"\\" in document:
        document = document.replace(rb"\\", b"").replace(rb"\"", b"")
    return document.translate(None, _NO_STRUCTURE)


def _outside_of_strings(structure: bytes) -> bytes:
    # Most strings hold no brackets.
    return b"".join(structure.replace(b'""', b"").split(b'"')[::2])
