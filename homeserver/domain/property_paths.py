"""Dot-separated property paths, such as ``content.m\\.relates_to.rel_type``.

Specification: appendices, "Dot-separated property paths".
"""

from __future__ import annotations

import re

_CHARACTER = re.compile(r"\\[.\\]|.", re.DOTALL)


def parse_property_path(path: str) -> tuple[str, ...]:
    """The names of the properties on the way, outermost first.

    A backslash before a dot or another backslash makes it part of the name; every other backslash
    stands for itself.
    """
    names = []
    name = ""
    for character in _CHARACTER.findall(path):
        if character == ".":
            names.append(name)
            name = ""
        else:
            name += character[-1]
    return (*names, name)
