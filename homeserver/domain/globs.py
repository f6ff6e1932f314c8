"""Glob-style matching, in time that grows with the text and the pattern, never with their powers.

Specification: appendices, "Glob-style matching", and push notifications, "Conditions", for the
variant that looks for whole words. Patterns come from users and texts from anyone, so a glob is
never turned into one regular expression with several ``.*``: the parts between the stars have fixed
lengths and are looked for one after the other, each at the earliest place, which leaves the most
room for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

Matcher: TypeAlias = Callable[[str], bool]

_NO_WORD_BEFORE = "(?<![A-Za-z0-9_])"
_NO_WORD_AFTER = "(?![A-Za-z0-9_])"


def is_literal_glob(pattern: str) -> bool:
    """Whether the only text that ``pattern`` matches is ``pattern`` itself."""
    return "*" not in pattern and "?" not in pattern


def compile_glob(pattern: str) -> Matcher:
    """Match a whole text: ``*`` stands for any characters, ``?`` for exactly one.

    The case of letters counts; to ignore it, lower both the pattern and the texts.
    """
    return pattern.__eq__ if is_literal_glob(pattern) else _compile_whole(pattern, single="?")


def compile_wildcard(pattern: str) -> Matcher:
    """Match a whole text where ``*`` stands for any characters and nothing else is special.

    Client-server API, "Filtering": the wildcards of event types.
    """
    return _compile_whole(pattern, single=None) if "*" in pattern else pattern.__eq__


def compile_word_glob(pattern: str) -> Matcher:
    """Match any part of a text that starts and ends at a word boundary.

    A boundary is the start or end of the text or any character but ``A-Z``, ``a-z``, ``0-9`` and
    ``_``.
    """
    head, *between = _parts(pattern, "?")
    if not between:
        return _compile_in_sequence([_NO_WORD_BEFORE + head + _NO_WORD_AFTER])
    *middle, tail = between
    # A star at either end reaches to the start or the end of the text, which is a boundary.
    parts = [_NO_WORD_BEFORE + head] if head else []
    parts += [part for part in middle if part]
    parts += [tail + _NO_WORD_AFTER] if tail else []
    return _compile_in_sequence(parts)


def compile_words(literal: str) -> Matcher:
    """Match a text that contains ``literal`` between word boundaries."""
    return _compile_in_sequence([_NO_WORD_BEFORE + re.escape(literal) + _NO_WORD_AFTER])


def _compile_in_sequence(parts: list[str]) -> Matcher:
    """Match a text in which all parts are found, one after the other."""
    searches = [re.compile(part, re.DOTALL).search for part in parts]

    def matches(text: str) -> bool:
        position = 0
        for search in searches:
            found = search(text, position)
            if found is None:
                return False
            position = found.end()
        return True

    return matches


def _compile_whole(pattern: str, single: str | None) -> Matcher:
    head, *between = _parts(pattern, single)
    starts = re.compile(head, re.DOTALL)
    if not between:
        return lambda text: starts.fullmatch(text) is not None
    *middle, tail = between
    ends = re.compile(tail, re.DOTALL)
    tail_length = len(pattern) - pattern.rindex("*") - 1
    contains_middle = _compile_in_sequence([part for part in middle if part])

    def matches(text: str) -> bool:
        start = starts.match(text)
        end = len(text) - tail_length
        if start is None or end < start.end() or ends.fullmatch(text, end) is None:
            return False
        return contains_middle(text[start.end() : end])

    return matches


def _parts(pattern: str, single: str | None) -> list[str]:
    """The parts between the stars of a pattern, as regular expressions of fixed length."""
    return [
        "".join("." if character == single else re.escape(character) for character in part)
        for part in pattern.split("*")
    ]
