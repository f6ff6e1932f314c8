"""Canonical JSON: the one encoding of a JSON value that is hashed and signed.

Specification: appendices, "Canonical JSON". It is the shortest UTF-8 encoding, with keys sorted by
code point and integers within ±(2**53 - 1) as the only numbers.

Events of room versions 1 to 5 may break the rule about numbers and must be handled all the same;
`check_lenient` and `encode_lenient_json` are for them.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, TypeAlias

import msgspec

from homeserver.domain.errors import BadJson

JsonObject: TypeAlias = dict[str, Any]

MAX_INTEGER: Final = 2**53 - 1
"""The greatest canonical integer; the least is its negative."""

MAX_NESTING: Final = 200
"""How many arrays and objects may enclose a value.

The specification sets no limit. What is stored must be readable from any depth of the call stack,
and the decoder descends with it.
"""

# Its "sorted" order compares UTF-8 bytes, which is the order of code points, and its strings use
# the shortest escapes. The tests hold it against a literal reading of the specification.
_encode = msgspec.json.Encoder(order="sorted").encode
_encode_any_number = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode


def encode_canonical_json(value: Any) -> bytes:
    """Encode a value of dicts, lists, strings, integers, booleans and None.

    Raises BadJson for everything that `check_canonical` refuses.
    """
    check_canonical(value)
    return _encode(value)


def encode_checked_json(value: Any) -> bytes:
    """Encode as `encode_canonical_json` does a value that is known to pass `check_canonical`.

    Values under `msgspec.Raw` are spliced in as they are.
    """
    return _encode(value)


def encode_lenient_json(value: Any) -> bytes:
    """Encode as canonical JSON, but with integers of any size and with floats.

    For canonical values the result is that of `encode_canonical_json`. Raises BadJson when the
    value is not JSON at all, has lone surrogates or is nested too deeply.
    """
    try:
        return _encode_any_number(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadJson("The value cannot be encoded as JSON") from error


def check_canonical(value: Any) -> None:
    """Check that a value has a canonical encoding.

    Raises BadJson for floats, integers beyond ±(2**53 - 1), keys that are not strings, lone
    surrogates, nesting beyond `MAX_NESTING` and types that JSON does not know.
    """
    _check(value, canonical_numbers=True)


def check_lenient(value: Any) -> None:
    """Check like `check_canonical`, but allow integers of any size and finite floats."""
    _check(value, canonical_numbers=False)


def _check(value: Any, *, canonical_numbers: bool) -> None:
    level = [value]
    for _ in range(MAX_NESTING + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                for key in item:
                    if not isinstance(key, str):
                        raise BadJson("The keys of an object must be strings")
                    _check_text(key)
                below.extend(item.values())
            elif isinstance(item, list | tuple):
                below.extend(item)
            elif item is not None and not isinstance(item, bool):
                _check_number(item, canonical=canonical_numbers)
        if not below:
            return
        level = below
    raise BadJson(f"The value is nested more than {MAX_NESTING} levels deep")


def _check_number(value: Any, *, canonical: bool) -> None:
    if isinstance(value, int):
        if canonical and not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise BadJson("An integer is outside of the range of canonical JSON")
    elif not isinstance(value, float):
        raise BadJson(f"JSON has no values of type {type(value).__name__}")
    elif canonical:
        raise BadJson("Numbers must be integers")
    elif not math.isfinite(value):
        raise BadJson("A number is not finite")


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadJson("A string contains a lone surrogate") from error
